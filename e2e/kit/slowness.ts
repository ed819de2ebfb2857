/** Measures how slow the machine is at present, for bounds in real time. */

/** CPU time of one sample, and the time between two: a twentieth of a core. */
const SAMPLE_MS = 20;
const EVERY_MS = 400;

/**
 * Starts to measure how much longer work takes here than on a machine at rest. The returned function stops the
 * measurement and returns the factor, at least 1. A test multiplies its time bound by this factor.
 */
export function watchSlowness(): () => number {
  let wallMs = 0;
  let cpuMs = 0;
  const cpu = (): number => {
    const { user, system } = process.threadCpuUsage();
    return (user + system) / 1_000;
  };
  const sample = (): void => {
    const [startedAt, before] = [performance.now(), cpu()];
    let used = 0;
    while (used < SAMPLE_MS) used = cpu() - before;
    wallMs += performance.now() - startedAt;
    cpuMs += used;
  };
  sample();
  const timer = setInterval(sample, EVERY_MS);
  return () => {
    clearInterval(timer);
    sample();
    return Math.max(1, wallMs / cpuMs);
  };
}

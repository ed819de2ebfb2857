/** Readings of this host: processor, memory, load and the delay of this process's event loop. */
import { availableParallelism, cpus, freemem, loadavg, totalmem } from 'node:os';
import { monitorEventLoopDelay } from 'node:perf_hooks';

export interface Reading {
  readonly cpuPercent: number;
  readonly cores: number;
  readonly load: number;
  readonly memoryUsedBytes: number;
  readonly memoryTotalBytes: number;
  readonly loopDelayMs: number;
}

const resolutionMs = 10;

/** Returns a function that measures the time since its last call. */
export function createReadings(): () => Reading {
  const loop = monitorEventLoopDelay({ resolution: resolutionMs });
  loop.enable();
  let before = cpuTimes();

  return () => {
    const now = cpuTimes();
    const total = now.total - before.total;
    const busy = now.busy - before.busy;
    before = now;
    // The histogram records the distance between two ticks of its timer, so an idle loop shows the resolution.
    const loopDelayMs = Math.max(0, loop.max / 1e6 - resolutionMs);
    loop.reset();
    const memoryTotalBytes = totalmem();
    return {
      cpuPercent: total > 0 ? round((busy / total) * 100, 1) : 0,
      cores: availableParallelism(),
      load: round(loadavg()[0] ?? 0, 2),
      memoryUsedBytes: memoryTotalBytes - freemem(),
      memoryTotalBytes,
      loopDelayMs: round(loopDelayMs, 2),
    };
  };
}

function cpuTimes(): { busy: number; total: number } {
  let busy = 0;
  let total = 0;
  for (const { times } of cpus()) {
    const used = times.user + times.nice + times.sys + times.irq;
    busy += used;
    total += used + times.idle;
  }
  return { busy, total };
}

function round(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}

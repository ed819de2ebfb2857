/** A thread that ends the process if one world makes no progress: a busy loop blocks all timers of its own thread. */
import { writeSync } from 'node:fs';
import { workerData } from 'node:worker_threads';

/** CPU time, because a busy machine makes a world wait. The longest worlds take a second. */
const LIMIT_MS = 60_000;

/** The seed of the running world. */
const running = workerData as Int32Array;
let seen = 0;
let startMs = 0;

setInterval(() => {
  const seed = Atomics.load(running, 0);
  const { user, system } = process.cpuUsage();
  const nowMs = (user + system) / 1_000;
  if (seed !== seen) {
    seen = seed;
    startMs = nowMs;
  } else if (nowMs - startMs > LIMIT_MS) {
    const limit = `${LIMIT_MS / 1_000} s of CPU time`;
    writeSync(1, `seed ${seed}: does not end within ${limit}: something loops without progress\n`);
    process.kill(process.pid, 'SIGKILL');
  }
}, 5_000);

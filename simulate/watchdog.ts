/** A thread that ends the process if one world makes no progress: a busy loop blocks all timers of its own thread. */
import { writeSync } from 'node:fs';
import { workerData } from 'node:worker_threads';

/** The longest worlds take a second. A busy machine takes longer. */
const LIMIT_MS = 60_000;

/** The seed of the running world. */
const running = workerData as Int32Array;
let seen = 0;

setInterval(() => {
  const seed = Atomics.load(running, 0);
  if (seed === seen) {
    writeSync(
      1,
      `seed ${seed}: does not end within ${LIMIT_MS / 1_000} s: something loops without progress\n`,
    );
    process.kill(process.pid, 'SIGKILL');
  }
  seen = seed;
}, LIMIT_MS);

/** A thread that ends the process where one world makes no progress: a busy loop lets no timer of its own thread run. */
import { writeSync } from 'node:fs';
import { workerData } from 'node:worker_threads';

/** The longest worlds take a second. A busy machine takes some more. */
const LIMIT_MS = 60_000;

/** The seed of the world that runs. */
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

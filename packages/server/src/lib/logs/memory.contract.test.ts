import { expect, test } from 'vitest';
import { logContract } from '../testing/log-suite.ts';
import { memoryLog } from './memory.ts';

const contract = logContract(
  (setup) => {
    const log = memoryLog(setup);
    return { open: () => log };
  },
  { ages: true },
);

for (const { name, run } of contract) {
  test(name, async () => expect(await run()).toBeUndefined());
}

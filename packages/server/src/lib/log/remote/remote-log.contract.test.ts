import { expect, test } from 'vitest';
import { REMOTE_TRAITS, remoteUnderTest } from '../../../../test-kit/remote-under-test.ts';
import { logContract } from '../../testing/log-suite.ts';

const contract = logContract(remoteUnderTest, REMOTE_TRAITS);

for (const { name, run } of contract) {
  test(name, async () => expect(await run()).toBeUndefined());
}

test('no case of the log contract is left out for a remote log', () => {
  expect(contract.skipped).toEqual([]);
});

import { expect, it } from 'vitest';
import { createBench } from '../../test-kit/feed-bench.ts';

const cors = { origins: ['https://app.test'] };

it.each([
  ['none', {}],
  ['its own', { origin: 'http://feed.test' }],
  ['an allowed one', { origin: 'https://app.test' }],
])('says that the answer depends on the origin, with %s', async (_name, headers) => {
  const { ask } = createBench({ cors });
  // A cache that kept the answer to one would give it to the other.
  const answer = await ask('/events/notice', { method: 'HEAD', headers });
  expect(Object.fromEntries(answer.headers)['vary']).toBe('Origin');
});

it('says nothing of it where no other origin is allowed', async () => {
  const { ask } = createBench();
  const answer = await ask('/events/notice', { method: 'HEAD' });
  expect(Object.fromEntries(answer.headers)).not.toHaveProperty('vary');
});

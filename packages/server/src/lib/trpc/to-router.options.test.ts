import { defineChannel } from '@linefeed/shared';
import { expect, it } from 'vitest';
import * as z from 'zod';
import { createFeed } from '../feed/create-feed.ts';
import { toRouter } from './to-router.ts';

it('toRouter refuses an unknown option and an unknown gapPolicy', () => {
  const feed = createFeed(defineChannel({ notice: z.string() }), { authorize: () => true });
  const invalid = (options: object) => () => toRouter(feed, options);
  expect(invalid({ onGap: 'ignore' })).toThrow('toRouter has no option "onGap"');
  expect(invalid({ gapPolicy: 'skip' })).toThrow('gapPolicy must be "error" or "ignore", not skip');
});

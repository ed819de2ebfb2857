import { defineChannel, stream, topic } from '@linefeed/shared';
import { describe, expect, it } from 'vitest';
import * as z from 'zod';
import { toHttpRequest } from '../adapters/fetch.ts';
import { createFeed } from '../feed/create-feed.ts';
import { respond, type HttpResponse } from '../http/http.ts';
import { Tap } from '../../../test-kit/tap.ts';
import { createManualClock } from '@linefeed/shared/testing';

const prompt = z
  .string()
  .max(20)
  .refine((text) => !text.includes('hush'), {
    error: ({ input }) => `must not be ${JSON.stringify(input)}`,
  });
const asks = z.object({
  who: z.string().refine((who) => who === 'ann', { error: ({ input }) => `no ${String(input)}` }),
});

async function ask(query: string): Promise<HttpResponse> {
  const feed = createFeed(
    defineChannel({
      answer: stream({ params: z.object({ prompt, asks: asks.optional() }), data: z.string() }),
      notice: topic({ params: z.object({ prompt }), data: z.string() }),
      other: z.string(),
    }),
    {
      clock: createManualClock(),
      maxAddressBytes: 100,
      authorize: ({ topic: name }) => name === 'other',
      streams: { *answer() {} },
    },
  );
  return (await respond(feed, toHttpRequest(new Request(`http://feed.test/events${query}`))))!;
}

const inOneEntry = (address: string): string => `?topic=${encodeURIComponent(`${address}&key=a`)}`;

describe('a refusal of a stream', () => {
  it.each([
    ['its schema quotes it', 'answer?prompt=hush"x', 400, 'prompt: is not valid'],
    [
      'its schema quotes a part of it',
      `answer?prompt=a&asks=${encodeURIComponent('{"who":"hush"}')}`,
      400,
      'asks.who: is not valid',
    ],
    [
      'its address is too long',
      `answer?prompt=a&asks=${encodeURIComponent(`{"who":"ann","hush":"${'x'.repeat(99)}"}`)}`,
      403,
      '',
    ],
    ['its address is malformed', 'answer?prompt=hush&prompt=%E0', 400, 'malformed'],
    ['authorize denies it', 'answer?prompt=a%20secret', 403, ''],
  ])('a refusal of a stream does not contain a param when %s', async (_name, address, status, message) => {
    const alone = await ask(address.replace('answer', '/answer').replace('%E0', 'hush'));
    const listed = await ask(inOneEntry(address));
    const tap = new Tap();
    const beside = await ask(`${inOneEntry(address)}&topic=other`);
    (beside.body as (sink: Tap) => void)(tap);
    expect([alone.status, listed.status]).toEqual([status, status]);
    for (const text of [alone.body, listed.body, tap.text]) {
      expect(text).not.toMatch(/hush|secret/);
      expect(text).toContain(message);
    }
    expect(tap.of('linefeed.error')).toMatchObject([
      { data: { address: expect.stringMatching(/^answer(~a)?$/) } },
    ]);
  });

  it('a refusal of a stream contains the issue of its schema if the issue does not quote a param', async () => {
    const answer = await ask(`/answer?prompt=${'a'.repeat(21)}`);
    expect(answer.body).toContain('Too big');
  });

  it('a refusal of a topic contains the issue of its schema even if the issue quotes a param', async () => {
    const answer = await ask('/notice?prompt=hush');
    expect(answer.body).toContain('must not be');
    expect(answer.body).toContain('hush');
  });
});

/** The forms in which a request names its subscriptions. */
import { encodeEntry, type SubscriptionEntry } from '@linefeed/shared/wire';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createBench } from '../../../test-kit/feed-bench.ts';
import type { HttpResponse } from '../http/http.ts';

const problemOf = ({ status, body }: HttpResponse): unknown[] => {
  const { code, title } = JSON.parse(body as string) as { code: string; title: string };
  return [status, code, title];
};
const pairOf = (entry: SubscriptionEntry): string => `topic=${encodeURIComponent(encodeEntry(entry))}`;

describe('an entry of a topic list', () => {
  it('a topic entry of a query is parsed like the same text after the path', async () => {
    const { feed, open } = createBench();
    await feed.publish('room', { name: 'a b' }, { text: 'first' });
    await feed.publish('room', { name: 'a b' }, { text: 'second' });
    const from = feed.cursor().replace(/\..*/, '.1');
    const text = `room?name=a%20b&from=${from}&key=1`;
    const frames = [];
    for (const url of [`/events/${text}`, `/events?topic=${encodeURIComponent(text)}`]) {
      const tap = await open(url);
      frames.push(tap.frames.slice(1).map(({ event, id, data }) => ({ event, id, data: data as object })));
    }
    expect(frames[1]).toEqual([
      { ...frames[0]![0], data: { ...frames[0]![0]!.data, address: 'room?name=a%20b' } },
      ...frames[0]!.slice(1),
    ]);
    expect(frames[1]!.at(-1)).toMatchObject({ data: { text: 'second' } });
    expect(frames[1]![0]!.data).toMatchObject({ key: '1', cursor: from });
  });

  it('an entry that repeats a name, or has a name of the request, is refused alone', async () => {
    const { open } = createBench();
    for (const fault of [
      'room?name=a&from=now&from=earliest',
      'room?name=a&key=1&key=2',
      'room?name=a&name=b',
      'room?name=a&last_event_id=x',
      'room?name=a&topic=notice',
    ]) {
      const tap = await open(`/events?topic=notice&topic=${encodeURIComponent(fault)}`);
      expect(tap.of('linefeed.subscribed')).toHaveLength(1);
      expect(tap.of('linefeed.error')).toMatchObject([{ data: { code: 'bad_request', retryable: false } }]);
    }
  });

  it('the body of a POST is read with any content type', async () => {
    const { open } = createBench();
    for (const type of ['text/plain;charset=UTF-8', 'application/json', 'image/png', '']) {
      const body = JSON.stringify({ topics: [{ address: 'notice' }] });
      const tap = await open('/events', { method: 'POST', body, headers: { 'content-type': type } });
      expect(tap.of('linefeed.subscribed')).toMatchObject([{ data: { address: 'notice' } }]);
    }
  });

  it('a POST starts at the last_event_id of its body, and its Last-Event-ID header is ignored', async () => {
    const { feed, open, publishNumbers } = createBench();
    await publishNumbers(1, 3);
    const [epoch] = feed.cursor().split('.');
    const tap = await open('/events', {
      method: 'POST',
      body: JSON.stringify({ topics: [{ address: 'other' }], last_event_id: `${epoch}.2` }),
      headers: { 'last-event-id': `${epoch}.1` },
    });
    expect(tap.of('other').map(({ data }) => data)).toEqual([{ n: 3 }]);
  });

  it('an address of a POST entry may not contain from, key or last_event_id', async () => {
    const { ask } = createBench();
    for (const address of ['notice?from=earliest', 'notice?key=1', 'notice?last_event_id=x']) {
      const answer = await ask('/events', {
        method: 'POST',
        body: JSON.stringify({ topics: [{ address }] }),
      });
      expect(problemOf(answer).slice(0, 2)).toEqual([400, 'bad_request']);
    }
  });
});

describe('the order of a query', () => {
  it.each(['from', 'key'])(
    '%s outside of a topic entry is refused in any order of the query',
    async (name) => {
      const { ask } = createBench();
      const right = encodeURIComponent('price?symbol=ACME&from=earliest&key=1');
      for (const query of [
        `topic=notice&${name}=1`,
        `${name}=1&topic=notice`,
        `topic=notice&topic=other&${name}=1`,
      ]) {
        expect(problemOf(await ask(`/events?${query}`))).toEqual([
          400,
          'bad_request',
          expect.stringContaining(`?topic=${right}`),
        ]);
      }
    },
  );

  it('the order of the entries of a query does not change what is delivered', async () => {
    const { feed, open } = createBench();
    for (let n = 1; n <= 3; n += 1) {
      await feed.publish('other', { n });
      await feed.publish('room', { name: 'a' }, { text: `${n}` });
    }
    const at = (position: number): string => feed.cursor().replace(/\..*/, `.${position}`);
    const entry = fc.record(
      {
        address: fc.constantFrom('notice', 'other', 'room?name=a', 'room?floor=0&name=a', 'report?year=1'),
        from: fc.constantFrom('now', 'earliest', at(2), at(5), 'nonsense', 'otherepoch.1'),
      },
      { requiredKeys: ['address'] },
    );
    const seen = async (pairs: readonly string[]): Promise<unknown> => {
      const tap = await open(`/events?${pairs.join('&')}`);
      const byName: Record<string, string[]> = {};
      for (const { event, id, data } of tap.frames.slice(1)) {
        (byName[event] ??= []).push(JSON.stringify({ id, data }));
      }
      // Answers are in the order of the request, and events of one name in the order of the log.
      for (const [event, list] of Object.entries(byName)) if (/^(linefeed|report)/.test(event)) list.sort();
      return [tap.frames[0]!.id, byName];
    };
    await fc.assert(
      fc.asyncProperty(
        fc.array(entry, { minLength: 1, maxLength: 5 }),
        fc.constantFrom([], [`last_event_id=${at(4)}`]),
        fc.infiniteStream(fc.nat()),
        async (entries, cursor, numbers) => {
          const pairs = [...cursor, ...entries.map((each, index) => pairOf({ ...each, key: `k${index}` }))];
          const ranked = pairs.map((pair) => [numbers.next().value, pair] as const);
          const shuffled = ranked.toSorted(([a], [b]) => a - b).map(([, pair]) => pair);
          const expected = await seen(pairs);
          expect(await seen(shuffled)).toEqual(expected);
          expect(await seen(pairs.toSorted())).toEqual(expected);
        },
      ),
      { numRuns: 60 },
    );
  });
});

describe('the path form of a subscription', () => {
  it.each([
    ['a param', 'room?name=a&name=b'],
    ['from', 'notice?from=now&from=earliest'],
    ['key', 'notice?key=a&key=b'],
    ['last_event_id', 'notice?last_event_id=a.1&last_event_id=a.2'],
    ['a topic in addition to that of its path', 'notice?topic=other'],
  ])('a path with two values for one name is refused: %s', async (_, address) => {
    const { ask } = createBench();
    expect(problemOf(await ask(`/events/${address}`)).slice(0, 2)).toEqual([400, 'bad_request']);
  });

  it('a query key that is not a param is ignored, even if it is repeated', async () => {
    const { open } = createBench();
    const tap = await open('/events/room?name=a&tag=1&tag=2');
    expect(tap.of('linefeed.subscribed')[0]!.data).toMatchObject({ event: 'room?floor=0&name=a' });
  });
});

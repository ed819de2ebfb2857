/** The cost of a request before it is decided on: bounds on its text, and on the entries checked per turn. */
import { defineChannel, topic } from '@linefeed/shared';
import { describe, expect, it } from 'vitest';
import * as z from 'zod';
import { createFeed } from '../feed/create-feed.ts';
import { systemClock, type Clock } from '../base/clock.ts';
import { createManualClock } from '@linefeed/shared/testing';

const post = (body: object): Request =>
  new Request('http://feed.test/events', { method: 'POST', body: JSON.stringify(body) });
const get = (target: string): Request => new Request(`http://feed.test/events${target}`);

/** A feed whose schema counts its runs, and calls `onRun` each time. */
function createCounted(clock: Clock, onRun: () => void = () => undefined) {
  const counted = { runs: 0 };
  const params = z.object({
    id: z.string().superRefine((text, { addIssue }) => {
      counted.runs += 1;
      onRun();
      if (text.startsWith('bad')) addIssue('is bad');
    }),
  });
  const channel = defineChannel({ room: topic({ params, data: z.string() }), other: z.string() });
  const feed = createFeed(channel, { clock, maxSubscriptions: 256, authorize: () => true });
  counted.runs = 0;
  return { feed, counted };
}

/** Waits for the result of a promise that needs a manual clock and real ticks. */
async function settle<T>(clock: ReturnType<typeof createManualClock>, waiting: Promise<T>): Promise<T> {
  let isDone = false;
  void waiting.then(() => (isDone = true));
  while (!isDone) {
    await clock.settle();
    await new Promise((resolve) => setImmediate(resolve));
  }
  return await waiting;
}

describe('limits on the text of a request', () => {
  const long = 'x'.repeat(1_000_000);

  it.each([
    ['in a POST', () => post({ topics: [{ address: `room?id=${long}` }] })],
    ['in a POST, with many params', () => post({ topics: [{ address: `room?${'a=&'.repeat(300_000)}` }] })],
    ['in a query list', () => get(`?topic=room%3Fid%3D${'x'.repeat(5_000)}`)],
    ['in a path', () => get(`/room?id=${'x'.repeat(5_000)}`)],
    ['in the topic name of a path', () => get(`/${long}`)],
  ])('an address over four times maxAddressBytes is refused before it is parsed: %s', async (_, request) => {
    const clock = createManualClock();
    const { feed, counted } = createCounted(clock);
    const response = await settle(clock, feed.handle(request()));
    expect(response.status).toBe(400);
    const text = await response.text();
    expect(text).toContain('address_too_long');
    expect(text.length).toBeLessThan(1_000);
    expect(counted.runs).toBe(0);
  });

  it('a query longer than 65,536 characters is refused', async () => {
    const clock = createManualClock();
    const { feed, counted } = createCounted(clock);
    for (const target of [`/room?id=a&token=${long}`, `?topic=other&token=${long}`]) {
      const response = await settle(clock, feed.handle(get(target)));
      expect([response.status, await response.json()]).toMatchObject([400, { code: 'bad_request' }]);
    }
    expect(counted.runs).toBe(0);
  });

  it('a query key of the application may be longer than an address', async () => {
    const clock = createManualClock();
    const { feed } = createCounted(clock);
    const response = await settle(clock, feed.handle(get(`/room?id=a&token=${'x'.repeat(5_000)}`)));
    expect(response.status).toBe(200);
    await response.body!.cancel();
    await clock.settle();
  });
});

describe('the params schema of a list of entries', () => {
  const entries = (count: number, toId: (index: number) => string): object => ({
    topics: Array.from({ length: count }, (_, index) => ({
      address: `room?id=${toId(index)}`,
      key: `k${index}`,
    })),
  });

  it.each([
    ['once for entries with the same address text', 1_024, () => 'a', 200, 1],
    ['once for each address that fails', 10, (index: number) => `bad${index}`, 400, 10],
    ['for at most two times maxSubscriptions addresses', 1_024, (index: number) => `bad${index}`, 400, 512],
  ] as const)('the params schema runs %s', async (_, count, toId, status, runs) => {
    const clock = createManualClock();
    const { feed, counted } = createCounted(clock);
    const response = await settle(clock, feed.handle(post(entries(count, toId))));
    expect(response.status).toBe(status);
    expect(counted.runs).toBe(runs);
    await response.body!.cancel();
    await clock.settle();
  });

  it('the params schema runs a second time only for a failed param whose text parses as JSON', async () => {
    const clock = createManualClock();
    let runs = 0;
    const params = z.object({ id: z.number() }).refine(() => (runs += 1) > 0, { when: () => true });
    const feed = createFeed(defineChannel({ room: topic({ params, data: z.string() }) }), {
      clock,
      authorize: () => true,
    });
    const cost = async (id: string): Promise<number> => {
      runs = 0;
      const response = await settle(clock, feed.handle(get(`/room?id=${encodeURIComponent(id)}`)));
      await response.body!.cancel();
      await clock.settle();
      return runs;
    };
    expect(await cost('5')).toBe(2);
    expect(await cost('five')).toBe(1);
    expect(await cost('{five')).toBe(1);
  });

  it('concurrent requests run the params schema at most 32 times per event-loop turn, plus once per request', async () => {
    const clock = createManualClock();
    const perTurn: number[] = [0];
    const counting: Clock = {
      ...clock,
      defer: (call) =>
        clock.defer(() => {
          perTurn.push(0);
          call();
        }),
    };
    const { feed } = createCounted(counting, () => (perTurn[perTurn.length - 1]! += 1));
    perTurn.splice(0, Infinity, 0);
    const requests = Array.from({ length: 5 }, (_, n) =>
      feed.handle(post(entries(1_024, (index) => `bad${n}-${index}`))),
    );
    await settle(clock, Promise.all(requests));
    expect(perTurn.reduce((sum, runs) => sum + runs)).toBe(5 * 512);
    expect(Math.max(...perTurn)).toBeLessThanOrEqual(32 + 5);
  });

  it('long lists with a slow schema do not block the event loop', async () => {
    const spin = (): void => {
      for (const until = performance.now() + 0.3; performance.now() < until;);
    };
    const { feed } = createCounted(systemClock, spin);
    const gaps: number[] = [];
    let last = performance.now();
    let isOver = false;
    const bystand = (): void => {
      const now = performance.now();
      gaps.push(now - last);
      last = now;
      if (!isOver) setImmediate(bystand);
    };
    const start = performance.now();
    setImmediate(bystand);
    const requests = [1, 2].map((n) => feed.handle(post(entries(1_024, (index) => `bad${n}-${index}`))));
    for (const response of await Promise.all(requests)) expect(response.status).toBe(400);
    isOver = true;
    const total = performance.now() - start;
    // One turn for all of them would be one gap as long as the total. Most gaps are a thirtieth of it.
    const busy = gaps.filter((gap) => gap > 1).toSorted((a, b) => a - b);
    expect(busy.length).toBeGreaterThanOrEqual(20);
    expect(busy[Math.floor(busy.length / 2)]! / total).toBeLessThan(0.1);
  });
});

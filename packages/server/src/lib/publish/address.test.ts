/** Params of a request or a publisher: the refused ones, and the address that they resolve to. */
import { defineChannel, stream, topic, type Schema } from '@linefeed/shared';
import { type } from 'arktype';
import { describe, expect, it } from 'vitest';
import * as z from 'zod';
import { Tap } from '../../../test-kit/tap.ts';
import { toHttpRequest } from '../adapters/fetch.ts';
import { createFeed } from '../feed/create-feed.ts';
import { respond, type HttpResponse } from '../http/http.ts';
import type { Authorize } from '../request/authorize.ts';
import type { UntypedFeedOptions } from '../feed/options.ts';
import { createManualClock } from '@linefeed/shared/testing';

interface Opened {
  readonly publish: (params: unknown, payload: string) => Promise<unknown>;
  readonly follow: (params: unknown) => AsyncIterator<unknown>;
  readonly ask: (target: string, init?: RequestInit) => Promise<HttpResponse>;
  readonly open: (target: string, init?: RequestInit) => Promise<Tap>;
  readonly errors: unknown[];
}

/** A feed whose topic `event` and stream `run` have these params. */
function openFeed(params: Schema, options: Partial<UntypedFeedOptions> = {}): Opened {
  const errors: unknown[] = [];
  const clock = createManualClock();
  const data = z.string();
  // The cast also permits contracts that the compiler would refuse.
  const typed = params as z.ZodObject<{ any: z.ZodString }>;
  const channel = defineChannel({
    event: topic({ params: typed, data }),
    run: stream({ params: typed, data }),
  });
  const feed = createFeed(channel, {
    clock,
    onError: (error: unknown) => errors.push(error),
    streams: {
      async *run() {
        yield 'ran';
      },
    },
    ...(options as object),
  });
  const opened: Opened = {
    publish: (given, payload) => feed.publish('event', given as never, payload),
    follow: (given) => feed.subscribe('event', { params: given as never })[Symbol.asyncIterator](),
    async ask(target, init) {
      const answering = respond(feed, toHttpRequest(new Request(`http://feed.test${target}`, init)));
      let isDone = false;
      void answering.then(() => (isDone = true));
      while (!isDone) {
        await clock.settle();
        await new Promise((resolve) => setImmediate(resolve));
      }
      return (await answering)!;
    },
    async open(target, init) {
      const { body, status } = await opened.ask(target, init);
      if (typeof body !== 'function') throw new Error(`Not opened: ${status} ${body ?? ''}`);
      const tap = new Tap();
      body(tap);
      await clock.settle();
      return tap;
    },
    errors,
  };
  return opened;
}

const codeOf = ({ status, body }: HttpResponse): unknown[] => [
  status,
  (JSON.parse(body as string) as { code: string }).code,
];
const post = (body: object): RequestInit => ({ method: 'POST', body: JSON.stringify(body) });
const query = (...addresses: string[]): string =>
  `/events?${addresses.map((address) => `topic=${encodeURIComponent(address)}`).join('&')}`;
const transformed = (transform: (text: string) => unknown): Schema =>
  z.object({ teams: z.string().transform(transform) });

class Team {
  readonly #name: string;
  constructor(name: string) {
    this.#name = name;
  }
  toString(): string {
    return this.#name;
  }
}

describe('params whose values JSON cannot distinguish', () => {
  it.each<[string, Schema]>([
    ['a Set', transformed((text) => new Set([text]))],
    ['a Map', transformed((text) => new Map([[text, 1]]))],
    ['a RegExp', transformed((text) => new RegExp(text))],
    ['a class with private fields', transformed((text) => new Team(text))],
    ['NaN', transformed(() => NaN)],
    ['Infinity', transformed(() => Infinity)],
    ['a bigint', transformed(() => 1n)],
    ['null in place of an object', z.object({ teams: z.string() }).transform(() => null)],
    ['an array in place of an object', z.object({ teams: z.string() }).transform(({ teams }) => [teams])],
  ])(
    'params that JSON cannot distinguish are refused in publish, a request and feed.subscribe(): %s',
    async (_, params) => {
      const { publish, follow, ask, errors } = openFeed(params);
      await expect(publish({ teams: 'mine' }, 'x')).rejects.toMatchObject({ code: 'invalid_params' });
      const following = (async () => follow({ teams: 'mine' }).next())();
      await expect(following).rejects.toMatchObject({ code: 'invalid_params' });
      for (const target of [
        '/events/event?teams=mine',
        '/events/run?teams=mine',
        query('event?teams=mine'),
      ]) {
        expect(codeOf(await ask(target))).toEqual([400, 'invalid_params']);
      }
      expect(errors).toEqual([]);
    },
  );

  it('authorize runs for each stream of a list, and once for equal addresses of a topic', async () => {
    const asked: unknown[] = [];
    const authorize: Authorize = ({ params, topic: name }) => asked.push([name, params]) > 0;
    const { open } = openFeed(z.object({ teams: z.string() }), { authorize });
    await open(query('run?teams=a&key=1', 'run?teams=a&key=2', 'event?teams=a&key=3', 'event?teams=a&key=4'));
    expect(asked).toEqual([
      ['run', { teams: 'a' }],
      ['run', { teams: 'a' }],
      ['event', { teams: 'a' }],
    ]);
  });

  it('publish refuses a param even if another value with the same text was published before', async () => {
    const params = z.union([
      z.object({ row: z.string(), seat: z.number() }),
      z.object({ row: z.number(), seat: z.number() }),
      z.object({ row: z.boolean(), seat: z.string() }),
    ]);
    const { publish } = openFeed(params);
    await publish({ row: '1', seat: 2 }, 'a text');
    await expect(publish({ row: 1, seat: 2 }, 'a number')).rejects.toMatchObject({ code: 'invalid_params' });
  });

  it('publish refuses two params whose texts are valid as strings only together', async () => {
    const params = z.union([
      z.object({ row: z.number(), seat: z.number() }),
      z.object({ row: z.string(), seat: z.string() }),
    ]);
    const { publish, open } = openFeed(params);
    await expect(publish({ row: 1, seat: 2 }, 'numbers')).rejects.toMatchObject({
      code: 'invalid_params',
      message: expect.stringContaining('1, which in an address is the same as the string "1"') as string,
    });
    await publish({ row: '1', seat: '2' }, 'strings');
    const tap = await open(
      '/events',
      post({ topics: [{ address: 'event?row=1&seat=2', from: 'earliest' }] }),
    );
    expect(tap.of('event?row=1&seat=2')).toMatchObject([{ data: 'strings' }]);
  });
});

describe('params that an address cannot contain', () => {
  const deep = '['.repeat(40) + ']'.repeat(40);
  const list: z.ZodType = z.lazy(() => z.array(list));
  const params = z.object({ name: z.string().optional(), list: list.optional() });

  it.each([
    ['a lone surrogate', { address: 'event?name=\ud800' }],
    ['a lone surrogate in a stream', { address: 'run?name=\udfff', key: 'a' }],
    ['JSON nested deeper than 32 levels', { address: `event?list=${deep}` }],
    ['JSON nested as deep as an address is long', { address: `event?list=${'['.repeat(4_000)}` }],
  ])(
    'params that an address cannot contain get invalid_params, not retryable and not reported: %s',
    async (_, entry) => {
      const { ask, open, errors } = openFeed(params);
      expect(codeOf(await ask('/events', post({ topics: [entry] })))).toEqual([400, 'invalid_params']);
      const tap = await open('/events', post({ topics: [entry, { address: 'event?name=a' }] }));
      expect(tap.of('linefeed.error')).toMatchObject([
        { data: { code: 'invalid_params', retryable: false } },
      ]);
      expect(errors).toEqual([]);
    },
  );

  it('params are accepted up to 32 levels of nesting, and publish refuses deeper ones', async () => {
    const { publish, open } = openFeed(params);
    const nested = (levels: number): unknown => JSON.parse('['.repeat(levels) + ']'.repeat(levels));
    await open(query(`event?list=${'['.repeat(32)}${']'.repeat(32)}`));
    await publish({ list: nested(32) }, 'x');
    for (const given of [{ list: nested(33) }, { name: '\ud800' }]) {
      await expect(publish(given, 'x')).rejects.toMatchObject({ code: 'invalid_params' });
    }
  });
});

describe('a param with two values of the same text', () => {
  // The schema does not reveal it in advance: only numbers of four digits are also valid as strings.
  const code = z.object({ code: z.union([z.number(), z.string().length(4)]) });

  it('publish refuses a number whose text is a valid string, and a subscriber gets the string', async () => {
    const { publish, open } = openFeed(code);
    await expect(publish({ code: 5000 }, 'number')).rejects.toMatchObject({
      code: 'invalid_params',
      message: expect.stringContaining('"code" is 5000'),
    });
    await publish({ code: '5000' }, 'string');
    await publish({ code: 50 }, 'other');
    expect((await open('/events/event?code=5000&from=earliest')).payloads).toEqual(['string']);
    expect((await open('/events/event?code=50&from=earliest')).payloads).toEqual(['other']);
  });

  it('the check for values with the same text runs once per address', async () => {
    let runs = 0;
    const counted = z.object({
      code: z.union([z.number(), z.string().length(4)]).refine(() => (runs += 1) > 0),
    });
    const { publish } = openFeed(counted);
    runs = 0;
    for (let n = 0; n < 10; n += 1) await publish({ code: 50 }, 'x');
    // One run for each publish, and one for the text.
    expect(runs).toBe(11);
  });

  it('publish refuses a number whose text is a valid string with an asynchronous schema too', async () => {
    const slow = code.refine(async () => true);
    const { publish } = openFeed(slow);
    await expect(publish({ code: 5000 }, 'x')).rejects.toMatchObject({ code: 'invalid_params' });
    await publish({ code: 50 }, 'x');
  });
});

describe('params that a schema does not declare', () => {
  it.each<[string, Schema]>([
    ['arktype', type({ symbol: 'string' })],
    ['a loose object of zod', z.looseObject({ symbol: z.string() })],
  ])('undeclared params are not part of the address when the schema accepts them: %s', async (_, params) => {
    const seen: unknown[] = [];
    const authorize: Authorize = ({ params: asked, address }) => seen.push([asked, address]) > 0;
    const { publish, open } = openFeed(params, { authorize });
    await publish({ symbol: 'ACME', extra: 1 }, 'published');
    for (const target of [
      '/events/event?symbol=ACME&token=abc&from=earliest',
      query('event?symbol=ACME&token=abc&from=earliest'),
    ]) {
      expect((await open(target)).payloads).toEqual(['published']);
    }
    const asked = [{ symbol: 'ACME' }, 'event?symbol=ACME'];
    expect(seen).toEqual([asked, asked]);
  });
});

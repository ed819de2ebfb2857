import type { AnyChannel } from '@linefeed/shared';
import { FRAME } from '@linefeed/shared/wire';
import fc from 'fast-check';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { createBrowser } from '../../../test/browser.ts';
import { createScriptTransport } from '../../../test/scripted-transport.ts';
import { createClient } from '../client/client.ts';
import { createManualClock } from '../base/clock.ts';
import { SIGNAL } from './messages.ts';
import { createTab } from './leader-election.ts';

const NAME = 'ada';

const uncaught: unknown[] = [];
const note = (error: unknown) => void uncaught.push(error);

// An exception in a channel's listener reaches the process, not a caller.
beforeEach(() => {
  uncaught.length = 0;
  process.on('uncaughtException', note);
  process.on('unhandledRejection', note);
});
afterEach(() => {
  process.off('uncaughtException', note);
  process.off('unhandledRejection', note);
});

/** Two tabs that share a connection, and a foreign script of the same origin that knows their messages. */
async function start() {
  const clock = createManualClock(1_000_000);
  const browser = createBrowser();
  const { transport, attempts } = createScriptTransport();
  const settle = async () => {
    for (let turn = 0; turn < 10; turn += 1) {
      await new Promise<void>((resolve) => setImmediate(resolve));
      await clock.advance(0);
    }
  };
  const got: string[][] = [];
  const fetch = async (_url: unknown, init?: RequestInit) => {
    const { n, add } = JSON.parse(init?.body as string) as { n: number; add: Array<{ key: string }> };
    for (const { key } of add) attempts[0]!.subscribed('a', 5, { key, n });
    return new Response('', { status: 202 });
  };
  const clients = ['first', 'second'].map((_, index) => {
    const { surroundings } = browser.openTab();
    const tab = createTab({ base: transport, name: NAME, clock, connectTimeoutMs: 10_000, surroundings });
    const client = createClient<AnyChannel>({
      url: '/events',
      clock,
      transport: tab.transport,
      fetch,
      onError: () => {},
    });
    got[index] = [];
    client.subscribe('a', (payload: unknown) => void got[index]!.push(payload as string));
    return { client, tab };
  });
  const foreign = browser.openTab().surroundings.openChannel(NAME);
  const heard: Array<Record<string, unknown>> = [];
  foreign.addEventListener('message', ({ data }) => void heard.push(data as Record<string, unknown>));
  await settle();
  const attempt = attempts[0]!;
  attempt.hello('e.5');
  for (const { key } of attempt.opening.entries) attempt.subscribed('a', 5, { key: key! });
  await settle();
  return { clients, foreign, heard, attempts, attempt, got, settle };
}

const textOr = fc.oneof(fc.string(), fc.anything({ withBigInt: true, withDate: true, withMap: true }));

it('invalid messages on the channel of the tabs are ignored, and delivery continues', async () => {
  const { clients, foreign, heard, attempts, attempt, got, settle } = await start();
  const [leader] = heard.flatMap((message) =>
    typeof message['leader'] === 'string' ? [message['leader']] : [],
  );
  const [connection] = heard.flatMap((message) =>
    typeof message['connection'] === 'string' ? [message['connection']] : [],
  );
  expect([typeof leader, typeof connection]).toEqual(['string', 'string']);
  const events = fc.constantFrom(...Object.values(FRAME), ...Object.values(SIGNAL), 'b');
  const data = fc.oneof(
    fc.json(),
    fc.string(),
    fc.constantFrom('null', '{}', '{"key":1}', '{"address":{}}', 'NaN'),
  );
  const nonsense = fc.oneof(
    fc.anything(),
    fc.record({ leader: textOr, items: textOr, announce: fc.constant(false) }),
    fc.record({ leader: fc.constant(leader), items: fc.array(fc.oneof(textOr, fc.array(textOr))) }),
    fc.record({ leader: fc.constant(leader), items: fc.array(fc.tuple(events, data, fc.string())) }),
    fc.record(
      { connection: textOr, tab: textOr, open: textOr, change: textOr },
      { requiredKeys: ['connection', 'open'] },
    ),
    fc.record({
      connection: fc.constant(connection),
      tab: fc.string(),
      open: fc.array(textOr, { minLength: 1 }),
    }),
    fc.record({
      connection: fc.constant(connection),
      tab: fc.string(),
      change: fc.record({ add: fc.array(textOr, { minLength: 1 }), remove: textOr }),
    }),
  );
  for (const message of fc.sample(nonsense, { numRuns: 2_000, seed: 1 })) {
    try {
      foreign.postMessage(message);
    } catch {
      // A function cannot be cloned, so `postMessage` throws.
    }
  }
  await settle();
  expect(uncaught).toEqual([]);
  attempt.send('a', 'still here', 'e.6.5');
  await settle();
  expect(attempts).toHaveLength(1);
  expect(got).toEqual([['still here'], ['still here']]);
  for (const { client, tab } of clients) {
    client.close();
    tab.close();
  }
});

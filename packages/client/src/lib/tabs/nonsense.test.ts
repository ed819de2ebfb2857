import { FRAME } from '@linefeed/shared/wire';
import fc from 'fast-check';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { createTabs } from '../../../test/tabs.ts';
import { SIGNAL } from './messages.ts';

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
  const tabs = createTabs({ answersControls: true });
  const opened = [tabs.open(), tabs.open()];
  const foreign = tabs.browser.openTab().surroundings.openChannel('ada');
  const heard: Array<Record<string, unknown>> = [];
  foreign.addEventListener('message', ({ data }) => void heard.push(data as Record<string, unknown>));
  await tabs.settle();
  tabs.last().accept();
  await tabs.settle();
  return { tabs, opened, foreign, heard };
}

const textOr = fc.oneof(fc.string(), fc.anything({ withBigInt: true, withDate: true, withMap: true }));

it('invalid messages on the channel of the tabs are ignored, and delivery continues', async () => {
  const { tabs, opened, foreign, heard } = await start();
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
  await tabs.settle();
  expect(uncaught).toEqual([]);
  await tabs.send('a', 'still here', 'e.6.5');
  expect(tabs.attempts).toHaveLength(1);
  expect(opened.map(({ got }) => got)).toEqual([['still here'], ['still here']]);
  for (const { close } of opened) close();
});

import { FRAME, type SubscriptionEntry } from '@linefeed/shared/wire';
import { expect, it } from 'vitest';
import { createTestRuns, type TestRuns } from '../../../test/scripted-runs.ts';
import { createTabs, type OpenTab, type TabOptions, type Tabs } from '../../../test/tabs.ts';

interface RunTabs extends Tabs {
  readonly runs: TestRuns;
  /** The number of events that the server has sent. */
  readonly sent: () => number;
  /** Opens a tab that reads the runs of `r`, and adds a line to its `got` for each call. */
  readonly follow: (subscription?: TabOptions['subscription']) => Promise<OpenTab>;
  /** The server accepts all entries of all requests that it has not answered. */
  readonly serve: () => Promise<void>;
}

function createRunTabs(): RunTabs {
  const tabs = createTabs();
  let sent = 0;
  let attempts = 0;
  let controls = 0;
  const send = (event: string, json: string, id: string): void => {
    if (!event.startsWith('linefeed.')) sent += 1;
    tabs.last().sink.onFrame(event, json, id);
  };
  const runs = createTestRuns(send, () => '', tabs.clock.now);
  const accept = (entries: readonly SubscriptionEntry[], n?: number): void => {
    for (const { address, key, from } of entries) {
      const { start, deliver } = runs.accept(address, from);
      tabs.last().send(FRAME.subscribed, { address, event: address, key, n, run: start });
      deliver();
    }
  };
  const run: RunTabs = Object.assign(tabs, {
    runs,
    sent: () => sent,
    async follow(subscription: TabOptions['subscription'] = {}) {
      let opened: OpenTab | undefined;
      const write = (line: string): unknown => opened!.got.push(line);
      opened = tabs.open({
        topic: 'r',
        subscription: {
          onRun: ({ attempt }) => write(`run ${attempt}`),
          onEnd: ({ outcome }) => write(`end ${outcome}`),
          ...subscription,
        },
      });
      await run.serve();
      return opened;
    },
    async serve() {
      for (let round = 0; round < 4; round += 1) {
        await tabs.settle();
        if (tabs.attempts.length > attempts) {
          attempts = tabs.attempts.length;
          runs.leave();
          tabs.last().hello();
          accept(tabs.last().opening.entries);
        }
        for (const change of tabs.controls.slice(controls)) accept(change.add, (change as { n?: number }).n);
        controls = tabs.controls.length;
      }
      await tabs.settle();
    },
  });
  return run;
}

const done = { outcome: 'done' } as const;

it('ten tabs read a run over one connection, and the server sends each event once', async () => {
  const tabs = createRunTabs();
  const { runs } = tabs;
  const all: OpenTab[] = [];
  for (let index = 0; index < 10; index += 1) all.push(await tabs.follow());
  runs.start('r');
  for (let payload = 1; payload <= 5; payload += 1) runs.emit('r', String(payload));
  runs.end('r', done);
  await tabs.settle();
  expect(tabs.sent()).toBe(5);
  expect(tabs.attempts).toHaveLength(1);
  for (const { got } of all) expect(got).toEqual(['run 1', 1, 2, 3, 4, 5, 'end done']);
});

it('late tabs get runs from their start, and the tabs before them get nothing twice', async () => {
  const tabs = createRunTabs();
  const { runs } = tabs;
  const early = await tabs.follow();
  const first = runs.start('r');
  runs.emit('r', '1');
  runs.end('r', done);
  runs.start('r');
  runs.emit('r', '2');
  runs.start('r');
  runs.emit('r', '3');
  const caughtUp: string[] = [];
  const late = await tabs.follow({ from: 'start', onCaughtUp: () => caughtUp.push('late') });
  const later = await tabs.follow({ from: `${first}.0` });
  runs.emit('r', '4');
  runs.end('r', done);
  await tabs.settle();
  expect(early.got).toEqual(['run 1', 1, 'end done', 'run 1', 2, 'run 2', 3, 4, 'end done']);
  expect(late.got).toEqual(['run 2', 2, 3, 4, 'end done']);
  expect(later.got).toEqual(['run 1', 1, 'end done', 'run 2', 2, 3, 4, 'end done']);
  expect(caughtUp).toEqual(['late']);
  expect(tabs.attempts).toHaveLength(1);
});

it.each(['leaves', 'crashes'])(
  'tabs get each event and the end of a run once when their leader %s during the run',
  async (how) => {
    const tabs = createRunTabs();
    const { runs } = tabs;
    const leader = await tabs.follow();
    const others = [await tabs.follow(), await tabs.follow()];
    runs.start('r');
    runs.emit('r', '1');
    await tabs.settle();
    runs.leave();
    if (how === 'leaves') leader.close();
    else leader.tab.crash();
    runs.emit('r', '2');
    await tabs.advance(1_000);
    await tabs.serve();
    runs.emit('r', '3');
    runs.end('r', done);
    await tabs.settle();
    expect(tabs.attempts).toHaveLength(2);
    for (const { got } of others) expect(got).toEqual(['run 1', 1, 2, 3, 'end done']);
  },
);

it('a tab that joins a run through a new leader gets only what it misses', async () => {
  const tabs = createRunTabs();
  const { runs } = tabs;
  const leader = await tabs.follow();
  const other = await tabs.follow();
  const id = runs.start('r');
  runs.emit('r', '1');
  runs.emit('r', '2');
  await tabs.settle();
  const before = tabs.sent();
  runs.leave();
  leader.close();
  await tabs.advance(1_000);
  await tabs.serve();
  expect(tabs.last().opening.entries).toMatchObject([{ address: 'r', from: `~${id}.2` }]);
  runs.emit('r', '3');
  await tabs.settle();
  expect(other.got).toEqual(['run 1', 1, 2, 3]);
  expect(tabs.sent() - before).toBe(1);
});

it('a tab that does not lead stops a run by a request of its own', async () => {
  const tabs = createRunTabs();
  await tabs.follow();
  const other = await tabs.follow();
  const count = tabs.controls.length;
  await other.client.stop('r', undefined, { reason: 'user' }).catch(() => {});
  expect(tabs.controls.slice(count)).toEqual([{ stop: { address: 'r', reason: 'user' } }]);
});

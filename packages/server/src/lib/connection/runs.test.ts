import { describe, expect, it } from 'vitest';
import { after, entries, post, problemOf } from '../../../test-kit/feed-bench.ts';
import { createRunBench, KEEP_MS, LEASE_MS } from '../../../test-kit/run-bench.ts';

const ADDRESS = 'answer?chat=1';
const PATH = `/events/${ADDRESS}`;

describe('the runs of an address on a connection', () => {
  it('a reader gets the begin, the events and the end of each run', async () => {
    const { open, producer, clock } = createRunBench();
    const tap = await open(PATH);
    const first = producer(ADDRESS);
    await first.start();
    await first.append('a', { b: 'ü\n' });
    await first.end({ outcome: 'done', result: { tokens: 2 } }, 'c');
    const second = producer(ADDRESS);
    await second.start();
    await second.end({ outcome: 'stopped', reason: 'user' });
    const startedAt = clock.now();
    expect(tap.text.slice(tap.text.indexOf('event: linefeed.subscribed'))).toBe(
      `event: linefeed.subscribed
data: {"address":"${ADDRESS}","event":"${ADDRESS}","run":{"cursor":"00000000000000000.0.end"}}

id: ~00000000000000000.0.end
event: linefeed.caughtup
data: {"address":"${ADDRESS}"}

id: ~${first.run}.0
event: linefeed.run
data: {"address":"${ADDRESS}","run":"${first.run}","attempt":1,"startedAt":${startedAt}}

id: ~${first.run}.1
event: ${ADDRESS}
data: "a"

id: ~${first.run}.2
event: ${ADDRESS}
data: {"b":"ü\\n"}

id: ~${first.run}.3
event: ${ADDRESS}
data: "c"

id: ~${first.run}.4.end
event: linefeed.end
data: {"address":"${ADDRESS}","run":"${first.run}","outcome":"done","result":{"tokens":2}}

id: ~${second.run}.0
event: linefeed.run
data: {"address":"${ADDRESS}","run":"${second.run}","attempt":1,"startedAt":${startedAt}}

id: ~${second.run}.1.end
event: linefeed.end
data: {"address":"${ADDRESS}","run":"${second.run}","outcome":"stopped","reason":"user"}

`,
    );
    expect(second.run > first.run).toBe(true);
    expect(tap.ended).toBe(false);
  });

  it('a late reader gets what is recorded, then linefeed.caughtup, and then live events', async () => {
    const { open, producer } = createRunBench();
    const live = producer(ADDRESS);
    await live.start();
    await live.append(1, 2);
    const tap = await open(PATH);
    await live.append(3);
    expect(tap.dataOf('linefeed.subscribed')).toEqual([
      { address: ADDRESS, event: ADDRESS, run: { cursor: `${live.run}.0`, tail: `${live.run}.2` } },
    ]);
    expect(tap.frames.slice(2).map(({ event, id }) => [event, id])).toEqual([
      ['linefeed.run', `~${live.run}.0`],
      [ADDRESS, `~${live.run}.1`],
      [ADDRESS, `~${live.run}.2`],
      ['linefeed.caughtup', `~${live.run}.2`],
      [ADDRESS, `~${live.run}.3`],
    ]);
  });

  it('a reader from `now` continues a running run, and gets nothing of a run that is over', async () => {
    const { open, producer } = createRunBench();
    const live = producer(ADDRESS);
    await live.start();
    await live.append(1, 2);
    const early = await open(`${PATH}&from=now`);
    await live.end({ outcome: 'done' }, 3);
    const late = await open(`${PATH}&from=now`);
    expect(early.frames.slice(1).map(({ event, id }) => [event, id])).toEqual([
      ['linefeed.subscribed', undefined],
      ['linefeed.run', `~${live.run}.2`],
      ['linefeed.caughtup', `~${live.run}.2`],
      [ADDRESS, `~${live.run}.3`],
      ['linefeed.end', `~${live.run}.4.end`],
    ]);
    expect(late.frames.slice(1)).toEqual([
      {
        event: 'linefeed.subscribed',
        id: undefined,
        data: { address: ADDRESS, event: ADDRESS, run: { cursor: `${live.run}.4.end` } },
      },
      { event: 'linefeed.caughtup', id: `~${live.run}.4.end`, data: { address: ADDRESS } },
    ]);
  });

  it('a reader that resumes from the cursor of its start misses no run that began meanwhile', async () => {
    const { open, producer } = createRunBench();
    const tap = await open(`${PATH}&from=now`);
    const { cursor } = (tap.dataOf('linefeed.subscribed')[0] as { run: { cursor: string } }).run;
    tap.leave();
    for (const value of ['a', 'b']) {
      const run = producer(ADDRESS);
      await run.start();
      await run.end({ outcome: 'done' }, value);
    }
    expect((await open(`${PATH}&from=~${cursor}`)).payloads).toEqual(['a', 'b']);
    // A plain EventSource has the same position from the id of linefeed.caughtup.
    expect((await open(`${PATH}&from=now`, after(tap.lastId!))).payloads).toEqual(['a', 'b']);
  });

  it('a reader of an older run gets its rest and then all later runs in order', async () => {
    const { open, producer } = createRunBench();
    const runs = [];
    for (const n of [1, 2, 3]) {
      const run = producer(ADDRESS);
      await run.start();
      await run.end({ outcome: 'done' }, n, n * 10);
      runs.push(run.run);
    }
    const tap = await open(PATH, after(`~${runs[0]}.1`));
    expect(tap.payloads).toEqual([10, 2, 20, 3, 30]);
    expect(tap.dataOf('linefeed.run')).toMatchObject(runs.map((run) => ({ run })));
    expect(tap.of('linefeed.caughtup')).toEqual([
      { event: 'linefeed.caughtup', id: `~${runs[2]}.3.end`, data: { address: ADDRESS } },
    ]);
    expect((await open(PATH)).payloads).toEqual([3, 30]);
  });

  it('a run that is over is served again, and its response stays open for the next run', async () => {
    const { ask, open, producer } = createRunBench();
    const run = producer(ADDRESS);
    await run.start();
    await run.end({ outcome: 'done' }, 1);
    const mark = `~${run.run}.2.end`;
    for (const id of [mark, '~!', '~']) expect((await ask(PATH, after(id))).status).toBe(200);
    const tap = await open(PATH, after(mark));
    await run.start();
    await run.append(2);
    expect([tap.ended, tap.payloads]).toEqual([false, [2]]);
  });

  it('an attempt that continues a run is announced to its readers, and its events follow those of the earlier one', async () => {
    const { open, producer, clock } = createRunBench();
    const run = producer(ADDRESS);
    await run.start({ key: 'k', attempts: 2 });
    await run.append(1);
    const tap = await open(PATH);
    await clock.advance(LEASE_MS + 1);
    await run.start({ key: 'k', attempts: 2 });
    await run.append(2);
    expect(tap.frames.slice(2).map(({ event, id, data }) => [event, id, data])).toMatchObject([
      ['linefeed.run', `~${run.run}.0`, { attempt: 1 }],
      [ADDRESS, `~${run.run}.1`, 1],
      ['linefeed.caughtup', `~${run.run}.1`, {}],
      ['linefeed.run', `~${run.run}.1`, { attempt: 2 }],
      [ADDRESS, `~${run.run}.2`, 2],
    ]);
  });

  it('a reader gets the end `lost` when the lease of the run has expired', async () => {
    const { open, producer, clock } = createRunBench();
    const run = producer(ADDRESS);
    await run.start();
    const tap = await open(PATH);
    await clock.advance(LEASE_MS + 1_000);
    expect(tap.of('linefeed.end')).toMatchObject([
      { id: `~${run.run}.1.end`, data: { run: run.run, outcome: 'lost' } },
    ]);
  });

  it('a resume from an event of a deleted run gets the end `gone` once, and then the later runs', async () => {
    const { open, producer, clock } = createRunBench();
    const old = producer(ADDRESS);
    await old.start();
    await old.end({ outcome: 'done' }, 1, 2);
    const before = await open(PATH);
    await clock.advance(KEEP_MS + 1);
    const alone = await open(PATH, after(`~${old.run}.1`));
    expect(alone.frames.slice(2)).toEqual([
      {
        event: 'linefeed.end',
        id: `~${old.run}.2.end`,
        data: { address: ADDRESS, run: old.run, outcome: 'gone' },
      },
      { event: 'linefeed.caughtup', id: `~${old.run}.2.end`, data: { address: ADDRESS } },
    ]);
    const next = producer(ADDRESS);
    await next.start();
    await next.append(3);
    expect([alone.payloads, before.payloads]).toEqual([[3], [1, 2, 3]]);
    for (const tap of [
      await open(PATH, after(`~${old.run}.2.end`)),
      await open(PATH, after(before.lastId!)),
    ]) {
      expect(tap.of('linefeed.end')).toEqual([]);
    }
    expect((await open(PATH, after(`~${old.run}.1`))).payloads).toEqual([3]);
  });

  it('a run next to other subscriptions needs a key, and its ids contain the connection cursor', async () => {
    const { feed, open, producer } = createRunBench();
    const run = producer(ADDRESS);
    await run.start();
    await run.append(1);
    await feed.publish('notice', { text: 'a' });
    const tap = await open(entries('notice', ADDRESS, 'job?key=k'));
    expect(tap.dataOf('linefeed.error')).toMatchObject([{ address: ADDRESS, code: 'key_required' }]);
    const keyed = await open(entries('notice', `${ADDRESS}&key=k`));
    expect(keyed.of(ADDRESS)).toEqual([{ event: ADDRESS, id: `${feed.cursor()}~${run.run}.1`, data: 1 }]);
    await feed.publish('notice', { text: 'b' });
    await run.append(2);
    expect(keyed.of(ADDRESS)[1]!.id).toBe(`${feed.cursor()}~${run.run}.2`);
  });

  it('a run writes nothing before the gaps of the opening', async () => {
    const { feed, open, producer } = createRunBench();
    await feed.publish('notice', { text: 'new' });
    const run = producer(ADDRESS);
    await run.start();
    await run.append(1);
    const topics = `${entries('notice', `${ADDRESS}&key=a`)}&last_event_id=oldepoch.zz`;
    const { events } = await open(topics);
    expect(events.indexOf('linefeed.gap')).toBeLessThan(events.indexOf('linefeed.run'));
    expect(events.slice(0, 3)).toEqual(['linefeed.hello', 'linefeed.subscribed', 'linefeed.subscribed']);
  });

  it('an EventSource that repeats its URL resumes a single run by its id, and replays each of several', async () => {
    const { open, producer } = createRunBench();
    const run = producer(ADDRESS);
    await run.start();
    await run.append(1, 2);
    const one = entries('notice', `${ADDRESS}&key=a`);
    const { lastId } = await open(one);
    await run.append(3);
    expect((await open(one, after(lastId!))).payloads).toEqual([3]);
    expect((await open(`${one}&topic=job%3Fkey%3Db`, after(lastId!))).payloads).toEqual([1, 2, 3]);
  });

  it('an entry that starts earlier moves the delivery of its address back, and a later start does not', async () => {
    const { open, control, producer } = createRunBench();
    const run = producer(ADDRESS);
    await run.start();
    await run.append(1, 2, 3);
    const tap = await open(entries('notice', `${ADDRESS}&key=a&from=~${run.run}.2`));
    expect(tap.payloads).toEqual([3]);
    const add = (n: number, key: string, from: string): Promise<unknown> =>
      control(tap, { n, add: [{ address: ADDRESS, key, from }] });
    await add(1, 'b', 'now');
    await add(2, 'c', `~${run.run}.3`);
    expect([tap.payloads, tap.of('linefeed.caughtup').length]).toEqual([[3], 3]);
    await add(3, 'd', `~${run.run}.1`);
    expect(tap.frames.slice(-4).map(({ event, id }) => [event, id?.replace(/^.*~/, '~')])).toEqual([
      ['linefeed.run', `~${run.run}.1`],
      [ADDRESS, `~${run.run}.2`],
      [ADDRESS, `~${run.run}.3`],
      ['linefeed.caughtup', `~${run.run}.3`],
    ]);
    await run.append(4);
    expect(tap.payloads).toEqual([3, 2, 3, 4]);
    expect(tap.dataOf('linefeed.subscribed').slice(2)).toEqual([
      { address: ADDRESS, event: ADDRESS, key: 'b', n: 1, run: { cursor: `${run.run}.3` } },
      { address: ADDRESS, event: ADDRESS, key: 'c', n: 2, run: { cursor: `${run.run}.3` } },
      {
        address: ADDRESS,
        event: ADDRESS,
        key: 'd',
        n: 3,
        run: { cursor: `${run.run}.1`, tail: `${run.run}.3` },
      },
    ]);
  });

  it('an entry that is added in the middle of a run gets linefeed.run before its first event', async () => {
    const { open, control, producer } = createRunBench();
    const run = producer(ADDRESS);
    await run.start();
    await run.append(1);
    const tap = await open(entries('notice', `${ADDRESS}&key=a&from=start`));
    await control(tap, { n: 1, add: [{ address: ADDRESS, key: 'b', from: 'now' }] });
    await run.append(2);
    const added = tap.frames.findLastIndex(({ event }) => event === 'linefeed.subscribed');
    expect(tap.frames.slice(added).map(({ event, id }) => [event, id?.replace(/^.*~/, '~')])).toEqual([
      ['linefeed.subscribed', undefined],
      ['linefeed.run', `~${run.run}.1`],
      ['linefeed.caughtup', `~${run.run}.1`],
      [ADDRESS, `~${run.run}.2`],
    ]);
  });

  it('two entries of one address in an opening share one delivery from the earlier start', async () => {
    const { open, producer } = createRunBench();
    const run = producer(ADDRESS);
    await run.start();
    await run.append(1, 2, 3);
    const tap = await open(entries(`${ADDRESS}&key=a&from=now`, `${ADDRESS}&key=b&from=~${run.run}.1`));
    expect(tap.dataOf('linefeed.subscribed')).toMatchObject([{ key: 'a' }, { key: 'b' }]);
    expect(tap.payloads).toEqual([2, 3]);
    expect(tap.of('linefeed.caughtup')).toHaveLength(1);
  });

  it('a removed run gets linefeed.end with the number of the request, and no further frame', async () => {
    const { open, control, producer, clock } = createRunBench();
    const run = producer(ADDRESS);
    await run.start();
    const tap = await open(entries('job?key=j', `${ADDRESS}&key=a`));
    await control(tap, { remove: [ADDRESS] });
    await run.append(1);
    expect(tap.frames.at(-1)).toEqual({
      event: 'linefeed.end',
      id: undefined,
      data: { address: ADDRESS, n: 1 },
    });
    tap.leave();
    await clock.settle();
    await clock.advance(1_000);
    expect(clock.pending).toBe(0);
  });

  it('onSubscribe and the statistics count a run by its address', async () => {
    const told: string[] = [];
    const { feed, open, clock } = createRunBench({ onSubscribe: (_, address) => void told.push(address) });
    await open(PATH);
    await clock.settle();
    expect(told).toEqual([ADDRESS]);
    expect(feed.stats().subscriptions).toEqual({ answer: 1 });
  });
});

describe('the authority over runs', () => {
  it('authorize decides on each address of a run, with the action subscribe', async () => {
    const asked: unknown[] = [];
    const { ask, open, producer } = createRunBench({
      authorize: ({ topic, params, address, action }) => {
        asked.push({ topic, params, address, action });
        return address === ADDRESS;
      },
    });
    const run = producer(ADDRESS);
    await run.start();
    await run.append('secret');
    expect((await open(PATH)).payloads).toEqual(['secret']);
    for (const from of ['start', `~${run.run}.0`]) {
      const answer = await ask(`/events/answer?chat=2&from=${from}`);
      expect([answer.status, problemOf(answer).code]).toEqual([403, 'forbidden']);
    }
    expect(asked.slice(0, 2)).toEqual([
      { topic: 'answer', params: { chat: '1' }, address: ADDRESS, action: 'subscribe' },
      { topic: 'answer', params: { chat: '2' }, address: 'answer?chat=2', action: 'subscribe' },
    ]);
  });

  it('a connection gets no event of a run after its context has expired', async () => {
    const { open, producer, clock } = createRunBench({
      context: () => ({ expiresAt: Date.UTC(2026, 0, 1) + 5_000 }),
    });
    const run = producer(ADDRESS);
    await run.start();
    const tap = await open(PATH);
    // No timer has run yet.
    clock.sleep(5_000);
    await run.append(1);
    expect(tap.events.slice(-1)).toEqual(['linefeed.reconnect']);
    expect(tap.payloads).toEqual([]);
  });

  it('nothing can be published to a run', async () => {
    const { feed } = createRunBench();
    const publish = feed.publish as (topic: string, payload: unknown) => Promise<unknown>;
    await expect(publish('job', 1)).rejects.toMatchObject({
      code: 'not_publishable',
      message: '"job" is a run: feed.start records its events, so nothing can be published to it.',
    });
  });

  it('a POST opens a run as a GET does', async () => {
    const { open, producer } = createRunBench();
    const run = producer('job');
    await run.start();
    await run.append(1);
    const tap = await open('/events', post({ topics: [{ address: 'job' }] }));
    expect(tap.payloads).toEqual([1]);
  });
});

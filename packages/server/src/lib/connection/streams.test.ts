import { describe, expect, it } from 'vitest';
import { after, createBench, entries } from '../../../test-kit/feed-bench.ts';
import { createGate } from '../../../test-kit/gate.ts';
import { coreOf } from '../feed/feed.ts';
import { message } from '../stream/message.ts';

describe('streams of a connection', () => {
  it('a stream runs its source, writes its ids, and ends with the mark that stops an EventSource', async () => {
    const { open, ask, clock } = createBench({
      streams: {
        async *report({ params, lastEventId }) {
          for (let step = Number(lastEventId ?? 0) + 1; step <= 3; step += 1) {
            yield message({ step: step + params.year }, { id: step });
          }
        },
      },
    });
    const tap = await open('/events/report?year=2000');
    await clock.settle();
    expect(tap.frames.slice(1)).toEqual([
      { event: 'linefeed.subscribed', id: undefined, data: { address: 'report', event: 'report' } },
      { event: 'report', id: '~1', data: { step: 2001 } },
      { event: 'report', id: '~2', data: { step: 2002 } },
      { event: 'report', id: '~3', data: { step: 2003 } },
      { event: 'linefeed.end', id: '~!', data: { address: 'report' } },
    ]);
    expect(tap.ended).toBe(true);
    expect(tap.text).not.toContain('year');
    const resumed = await open('/events/report?year=2000', after('~2'));
    await clock.settle();
    expect(resumed.payloads).toEqual([{ step: 2003 }]);
    expect((await ask('/events/report?year=2000', after('~!'))).status).toBe(204);
  });

  it('a stream with a key longer than 32 characters is refused', async () => {
    const { open } = createBench();
    const keys = ['k'.repeat(32), 'k'.repeat(33)];
    const tap = await open(
      `/events?topic=notice&topic=tick%3Fkey%3D${keys[0]}&topic=tick%3Fkey%3D${keys[1]}`,
    );
    expect(tap.dataOf('linefeed.error')).toMatchObject([{ key: keys[1], code: 'bad_request' }]);
    expect(tap.dataOf('linefeed.subscribed')).toMatchObject([{}, { key: keys[0] }]);
  });

  it('a stream that yielded data without ids is not run again after a reconnect', async () => {
    const { open, ask, clock } = createBench();
    const tap = await open('/events/tick');
    await clock.settle();
    expect(tap.of('tick')).toEqual([{ event: 'tick', id: '~', data: 1 }]);
    expect((await ask('/events/tick', after('~'))).status).toBe(204);
    const shared = await open(entries('notice', 'tick?key=k1&from=~'));
    expect(shared.dataOf('linefeed.error')[0]).toMatchObject({
      address: 'tick~k1',
      key: 'k1',
      code: 'not_resumable',
    });
  });

  it('a finished stream is answered with its end mark, in a control request and after the gaps of an opening', async () => {
    const { feed, open, control } = createBench();
    await feed.publish('notice', { text: 'a' });
    const tap = await open('/events/notice');
    const add = [{ address: 'tick', key: 'a', from: '~!' }];
    await control(tap, { add });
    expect(tap.of('linefeed.end')).toEqual([
      { event: 'linefeed.end', id: `${feed.cursor()}~!`, data: { address: 'tick~a', key: 'a', n: 1 } },
    ]);
    const back = await open(
      '/events?topic=notice&topic=tick%3Fkey%3Da%26from%3D~!&last_event_id=oldepoch.zz',
    );
    expect(back.events.indexOf('linefeed.gap')).toBeLessThan(back.events.indexOf('linefeed.end'));
    expect(back.of('linefeed.end')).toMatchObject([
      { id: expect.stringMatching(/~!$/) as string, data: { address: 'tick~a', key: 'a' } },
    ]);
    expect([tap.payloads, back.payloads]).toEqual([[], [{ text: 'a' }]]);
  });

  it('a stream writes nothing before the gaps of the opening', async () => {
    const { feed, open, clock } = createBench();
    await feed.publish('notice', { text: 'new' });
    const tap = await open('/events?topic=notice&topic=tick%3Fkey%3Da&last_event_id=oldepoch.zz');
    await clock.settle();
    expect(tap.events.indexOf('linefeed.gap')).toBeLessThan(tap.events.indexOf('tick~a'));
    expect(tap.of('tick~a')).toHaveLength(1);
  });

  it('an EventSource that repeats its URL resumes a single stream by its id, and reruns none of several', async () => {
    const runs: Array<string | undefined> = [];
    const { open, clock } = createBench({
      streams: {
        *report({ lastEventId }) {
          runs.push(lastEventId);
          yield message({ step: 1 }, { id: 'one' });
        },
      },
    });
    const url = entries('notice', 'report?year=1&key=a');
    const first = await open(url);
    await clock.settle();
    const mark = first.of('report~a')[0]!.id!;
    const second = await open(url, after(mark));
    await clock.settle();
    expect(runs).toEqual([undefined, 'one']);
    const two = await open(`${url}&topic=tick%3Fkey%3Db`, after(mark));
    expect(two.of('linefeed.error').map(({ data }) => (data as { code: string }).code)).toEqual([
      'not_resumable',
      'not_resumable',
    ]);
    expect(runs).toHaveLength(2);
    second.leave();
  });

  it('a stream among other subscriptions needs a key, and its ids contain the connection cursor', async () => {
    const { feed, open, clock } = createBench();
    await feed.publish('notice', { text: 'a' });
    const tap = await open(entries('notice', 'tick', 'tick?key=b'));
    await clock.settle();
    expect(tap.dataOf('linefeed.error')[0]).toMatchObject({ address: 'tick', code: 'key_required' });
    expect(tap.of('tick~b')[0]!.id).toBe(`${feed.cursor()}~`);
    expect(tap.of('linefeed.end')[0]).toMatchObject({
      id: `${feed.cursor()}~!`,
      data: { address: 'tick~b', key: 'b' },
    });
    expect(tap.ended).toBe(false);
  });

  it('a source that throws sends linefeed.error without its message, and onError receives the error', async () => {
    const boom = new Error('password=hunter2');
    const { open, clock, errors } = createBench({
      streams: {
        async *report() {
          yield message({ step: 1 }, { id: 'a~!b' });
          throw boom;
        },
      },
    });
    const tap = await open('/events/report?year=1');
    await clock.settle();
    expect(tap.of('report')[0]!.id).toBe('~a%7E%21b');
    expect(tap.of('linefeed.error')[0]).toEqual({
      event: 'linefeed.error',
      id: '~!',
      data: {
        address: 'report',
        code: 'source_failed',
        message: 'The source of "report" failed.',
        retryable: false,
      },
    });
    expect(tap.text).not.toContain('hunter2');
    expect(errors).toEqual([boom]);
  });

  it('a source is aborted and returned when its client leaves', async () => {
    const seen: string[] = [];
    const { open, clock } = createBench({
      streams: {
        async *report({ signal }) {
          try {
            yield { step: 1 };
            await new Promise((resolve) => signal.addEventListener('abort', resolve));
            seen.push('aborted');
          } finally {
            seen.push('returned');
          }
        },
      },
    });
    const tap = await open('/events/report?year=1');
    await clock.settle();
    tap.leave();
    await clock.settle();
    expect(seen).toEqual(['aborted', 'returned']);
  });

  it('a yield that its schema refuses ends the stream with source_failed', async () => {
    const { open, clock, errors } = createBench({
      streams: {
        *report() {
          yield { step: 'x' } as never;
        },
      },
    });
    const tap = await open('/events/report?year=1');
    await clock.settle();
    expect(tap.of('report')).toEqual([]);
    expect(tap.dataOf('linefeed.error')[0]).toMatchObject({ code: 'source_failed' });
    expect(errors).toMatchObject([{ code: 'invalid_payload' }]);
  });

  it('a stream that yields a payload over maxPayloadBytes ends with an error', async () => {
    const { open, clock, errors } = createBench({
      maxPayloadBytes: 12,
      streams: {
        *report() {
          yield { step: 1 };
          yield { step: 1_000_000 };
        },
      },
    });
    const tap = await open('/events/report?year=1');
    await clock.settle();
    expect(tap.payloads).toEqual([{ step: 1 }]);
    expect(tap.of('linefeed.error')).toMatchObject([{ data: { code: 'source_failed' } }]);
    expect(errors).toMatchObject([{ code: 'payload_too_large' }]);
  });

  it('a stream that is removed in the microtask of its end writes nothing after the removal', async () => {
    for (let microtasks = 0; microtasks < 12; microtasks += 1) {
      const gate = createGate();
      const { open, feed, clock } = createBench({
        streams: {
          async *tick() {
            yield 1;
            await gate.wait();
          },
        },
      });
      const tap = await open(entries('notice', 'tick?key=a'));
      await clock.settle();
      gate.open();
      for (let count = 0; count < microtasks; count += 1) await Promise.resolve();
      const connection = coreOf(feed).connections.get(tap.connection)!;
      connection.remove('tick~a');
      connection.outbox.flush();
      const written = tap.text;
      await clock.settle();
      expect([microtasks, tap.text]).toEqual([microtasks, written]);
      await feed.close();
    }
  });
});

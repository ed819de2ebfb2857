import type { LinefeedError } from '@linefeed/shared';
import { describe, expect, it } from 'vitest';
import { connected, createScript } from '../../../test/scripted-client.ts';
import { iterate } from '../client/iterate.ts';

describe('the opening request', () => {
  it('the opening request collects the subscriptions of one tick', async () => {
    const script = await connected(['a', 'b']);
    expect(script.attempts).toHaveLength(1);
    expect(script.last().opening.entries).toEqual([
      { address: 'a', key: '1', from: 'now' },
      { address: 'b', key: '2', from: 'now' },
    ]);
  });

  it('a subscription that ends in its first tick opens no connection', async () => {
    const script = createScript();
    script.listen('a')();
    await script.settle();
    expect(script.attempts).toHaveLength(0);
    expect(script.state().state).toBe('idle');
  });

  it('the opening request has the params in the address, sorted', async () => {
    const script = createScript();
    script.client.subscribe('price', { symbol: 'A&B', at: { y: 1, x: [true] } }, () => {});
    await script.settle();
    expect(script.last().opening.entries[0]!.address).toBe(
      'price?at=%7B%22x%22%3A%5Btrue%5D%2C%22y%22%3A1%7D&symbol=A%26B',
    );
  });

  it('several subscriptions to a logged address share one entry', async () => {
    const script = createScript();
    const got: string[] = [];
    script.client.subscribe('a', (payload: string) => got.push(`first ${payload}`));
    script.client.subscribe('a', (payload: string) => got.push(`second ${payload}`));
    await script.settle();
    expect(script.last().opening.entries).toHaveLength(1);
    script.last().hello('e.5');
    script.last().subscribed('a', 5);
    const third = script.client.subscribe('a', (payload: string) => got.push(`third ${payload}`));
    await third.ready;
    script.last().send('a', 'x', 'e.6.0');
    expect(got).toEqual(['first x', 'second x', 'third x']);
    expect(script.controls).toEqual([]);
  });

  it('each subscription to a stream has a run of its own', async () => {
    const script = createScript();
    const got: string[] = [];
    script.client.subscribe('report', () => got.push('first'));
    const second = script.client.subscribe('report', () => got.push('second'));
    await script.settle();
    expect(script.last().opening.entries).toEqual([{ address: 'report', key: '1', from: 'now' }]);
    script.last().hello();
    script.last().acceptStream('report', '1');
    await script.settle();
    expect(script.controls[0]).toMatchObject({ n: 1, add: [{ address: 'report', key: '2' }], remove: [] });
    script.last().acceptStream('report', '2', 1);
    await second.ready;
    script.last().send('report~2', {}, '~1');
    expect(got).toEqual(['second']);
  });

  it('a handler gets the address, topic, params, cursor and replayed flag of an event', async () => {
    const script = createScript();
    const infos: unknown[] = [];
    await script.request('price', {
      params: { symbol: 'acme' },
      handler: (_data, event) => infos.push(event),
    });
    script.last().hello('e.5');
    script.last().subscribed('price?symbol=acme', 5, { event: 'price?symbol=ACME', tail: 'e.7' });
    script.last().send('price?symbol=ACME', 1, 'e.7.5');
    script.last().send('price?symbol=ACME', 2, 'e.8.7');
    const common = { address: 'price?symbol=ACME', topic: 'price', params: { symbol: 'acme' } };
    expect(infos).toEqual([
      { ...common, cursor: 'e.7', id: undefined, replayed: true },
      { ...common, cursor: 'e.8', id: undefined, replayed: false },
    ]);
  });

  it('a handler gets the event ids of the source of a stream', async () => {
    const script = createScript();
    const ids: unknown[] = [];
    await script.runStream('report', { handler: (_data, { id }) => ids.push(id) });
    script.last().send('report~1', 1, 'e.9~step%201');
    script.last().send('report~1', 1, 'e.9~');
    expect(ids).toEqual(['step 1', undefined]);
  });
});

it('a topic with a lone surrogate is refused, and the other subscriptions continue', async () => {
  const script = createScript();
  const errors: LinefeedError[] = [];
  script.listen('a');
  script.client.subscribe('\ud800', () => {}, { onError: (error) => errors.push(error) });
  await script.settle();
  expect(errors).toMatchObject([{ code: 'invalid_option', retryable: false }]);
  expect(script.last().opening.entries).toMatchObject([{ address: 'a' }]);
});

describe('values that no request can contain', () => {
  const cyclic: Record<string, unknown> = {};
  cyclic['self'] = cyclic;

  it.each<[string, object, string | undefined, string]>([
    ['params with a lone surrogate', { symbol: '\ud800' }, undefined, 'invalid_params'],
    ['params with a bigint', { symbol: 1n }, undefined, 'invalid_params'],
    ['cyclic params', { symbol: cyclic }, undefined, 'invalid_params'],
    ['a from with a lone surrogate', { symbol: 'A' }, '\ud800', 'invalid_option'],
  ])('subscribe() returns before onError reports the refusal of %s', async (_, params, from, code) => {
    const script = createScript();
    const errors: LinefeedError[] = [];
    const subscription = script.client.subscribe('price', params, () => {}, {
      ...(from !== undefined && { from }),
      onError: (error) => errors.push(error),
    });
    expect(errors).toEqual([]);
    await expect(subscription.ready).rejects.toMatchObject({ code, retryable: false });
    await script.settle();
    expect(errors).toMatchObject([{ code }]);
    expect(subscription.getSnapshot()).toMatchObject({ status: 'failed', error: { code } });
    const iterator = iterate(script.client, 'price', { params, ...(from !== undefined && { from }) });
    await expect(iterator.next()).rejects.toMatchObject({ code });
    expect(script.attempts).toHaveLength(0);
  });
});

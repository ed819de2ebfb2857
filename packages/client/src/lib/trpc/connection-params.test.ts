import { describe, expect, it, vi } from 'vitest';
import { createScriptTransport } from '../../../test/scripted-transport.ts';
import { createClient } from '../client/client.ts';
import { createManualClock } from '@linefeed/shared/testing';
import { withConnectionParams, type ConnectionParams } from './connection-params.ts';

function start(given: ConnectionParams | undefined) {
  const { transport, attempts } = createScriptTransport();
  const posted: string[] = [];
  const params = withConnectionParams(given, async (input) => {
    posted.push(input as string);
    return new Response('', { status: 202 });
  });
  const clock = createManualClock(1_000_000);
  const client = createClient({
    url: '/live?tenant=x',
    clock,
    transport: params.transport(transport),
    fetch: params.fetch,
    retry: { baseMs: 10, floorMs: 10 },
    onError: () => undefined,
  });
  const subscribe = client.subscribe as unknown as (topic: string, handler: () => void) => () => void;
  return { attempts, posted, clock, client, subscribe };
}

const ENCODED = 'connectionParams=%7B%22token%22%3A%22a%26b%22%7D';

describe('connection params', () => {
  it('connection params are in the URL of opening requests and of control requests', async () => {
    const { attempts, posted, clock, client, subscribe } = start({ token: 'a&b' });
    subscribe('a', () => undefined);
    await clock.advance(0);
    expect(attempts[0]!.opening.url).toBe(`/live?tenant=x&${ENCODED}`);
    attempts[0]!.hello('e.0');
    attempts[0]!.subscribed('a');
    subscribe('b', () => undefined);
    await clock.advance(0);
    expect(posted).toEqual([`/live?tenant=x&${ENCODED}`]);
    client.close();
  });

  it('connection params are requested for every attempt', async () => {
    let count = 0;
    const { attempts, clock, client, subscribe } = start(async () => ({ n: String((count += 1)) }));
    subscribe('a', () => undefined);
    await clock.advance(0);
    attempts[0]!.hello('e.0');
    attempts[0]!.lose();
    await clock.advance(500);
    expect(attempts.map(({ opening }) => opening.url)).toEqual([
      '/live?tenant=x&connectionParams=%7B%22n%22%3A%221%22%7D',
      '/live?tenant=x&connectionParams=%7B%22n%22%3A%222%22%7D',
    ]);
    client.close();
  });

  it('connection params that reject are requested again', async () => {
    const given = vi
      .fn<() => Promise<Record<string, string>>>()
      .mockRejectedValueOnce(new Error('no session yet'))
      .mockResolvedValue({ token: 'a&b' });
    const { attempts, clock, client, subscribe } = start(given);
    subscribe('a', () => undefined);
    await clock.advance(0);
    expect(attempts).toHaveLength(0);
    expect(client.connection.getSnapshot()).toMatchObject({
      state: 'reconnecting',
      error: { code: 'network', message: 'connectionParams failed: Error: no session yet' },
    });
    await clock.advance(1_000);
    expect(attempts).toHaveLength(1);
    client.close();
  });

  it('connection params that arrive after the client is closed open no connection', async () => {
    let resolve!: (params: Record<string, string>) => void;
    const { attempts, clock, client, subscribe } = start(() => new Promise((done) => (resolve = done)));
    subscribe('a', () => undefined);
    await clock.advance(0);
    client.close();
    resolve({});
    await clock.advance(0);
    expect(attempts).toHaveLength(0);
  });

  it('missing connection params leave the URL unchanged', async () => {
    const { attempts, clock, client, subscribe } = start(undefined);
    subscribe('a', () => undefined);
    await clock.advance(0);
    expect(attempts[0]!.opening.url).toBe('/live?tenant=x');
    client.close();
  });
});

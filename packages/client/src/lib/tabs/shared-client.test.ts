import type { AnyChannel } from '@linefeed/shared';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createScriptTransport } from '../../../test/scripted-transport.ts';
import { createManualClock } from '@linefeed/shared/testing';
import { createSharedClient, type SharedClientOptions } from './shared-client.ts';

/** Node's own locks and channels, and a document, as in a page. */
const { locks } = navigator;
let channels = 0;

class CountedChannel extends BroadcastChannel {
  constructor(name: string) {
    super(name);
    channels += 1;
  }

  override close(): void {
    channels -= 1;
    super.close();
  }
}

function stubPage(parts: object = {}): void {
  const page = {
    document: Object.assign(new EventTarget(), {
      baseURI: 'https://example.test/app/',
      visibilityState: 'visible',
    }),
    addEventListener: () => {},
    BroadcastChannel: CountedChannel,
    navigator: { locks },
    ...parts,
  };
  for (const [name, value] of Object.entries(page)) vi.stubGlobal(name, value);
}

const clients: Array<{ readonly close: () => void }> = [];

function open(options: Partial<SharedClientOptions> = {}) {
  const clock = createManualClock(1_000_000);
  const { transport, attempts } = createScriptTransport();
  const client = createSharedClient<AnyChannel>({ url: '/events', clock, transport, ...options });
  clients.push(client);
  client.subscribe('a', () => {});
  return { clock, attempts, client };
}

/** A private connection sends the client's keys. A leading tab sends keys with a unique prefix. */
const isAlone = ({ attempts }: ReturnType<typeof open>) => attempts[0]!.opening.entries[0]!.key === '1';

const namesOf = async () => {
  const { held = [], pending = [] } = await locks.query();
  return [...held, ...pending].map(({ name }) => name);
};

beforeEach(() => {
  channels = 0;
});
afterEach(() => {
  for (const client of clients.splice(0)) client.close();
  vi.unstubAllGlobals();
});

describe('a shared client', () => {
  it('a shared client refuses headers, or a fetch of its own, without an identity', () => {
    expect(() => open({ fetch: globalThis.fetch })).toThrowError('headers and fetch need an identity');
    expect(() => open({ headers: { authorization: 'Bearer 1' } })).toThrowError(
      expect.objectContaining({ code: 'invalid_option' }),
    );
    open({ headers: { authorization: 'Bearer 1' }, identity: '1' }).client.close();
  });

  it.each([[], ['/events'], [{}]])('createSharedClient refuses the arguments %j', (...args: unknown[]) => {
    stubPage();
    const create = createSharedClient as unknown as (...args: unknown[]) => unknown;
    expect(() => create(...args)).toThrowError(expect.objectContaining({ code: 'invalid_option' }));
    expect(channels).toBe(0);
  });

  it('a shared client uses a lock and a channel in a page, and releases both when it is closed', async () => {
    stubPage();
    const opened = open({ identity: 'ada' });
    await vi.waitFor(() => expect(opened.attempts).toHaveLength(1));
    expect(isAlone(opened)).toBe(false);
    const name = 'linefeed [3,"https://example.test/events","ada",null]';
    expect(await namesOf()).toEqual(expect.arrayContaining([name]));
    expect(channels).toBe(1);
    opened.client.close();
    expect(opened.attempts[0]!.closed).toBe(true);
    expect(channels).toBe(0);
    expect(opened.clock.pending).toBe(0);
    await vi.waitFor(async () => expect(await namesOf()).toEqual([]));
  });

  it('a shared client names its connection by the whole url, the identity and the credentials', async () => {
    stubPage();
    const opened = [
      open(),
      open({ url: '/events?room=1' }),
      open({ identity: 'bob' }),
      open({ credentials: 'include' }),
    ];
    await vi.waitFor(() => expect(opened.every(({ attempts }) => attempts.length === 1)).toBe(true));
    const names = new Set((await namesOf()).filter((name) => name!.endsWith(']')));
    expect(names).toEqual(
      new Set([
        'linefeed [3,"https://example.test/events","",null]',
        'linefeed [3,"https://example.test/events","","include"]',
        'linefeed [3,"https://example.test/events","bob",null]',
        'linefeed [3,"https://example.test/events?room=1","",null]',
      ]),
    );
    for (const { client } of opened) client.close();
    await vi.waitFor(async () => expect(await namesOf()).toEqual([]));
  });

  it.each([
    ['outside of a page', { document: undefined }],
    ['without Web Locks', { navigator: {} }],
    ['without BroadcastChannel', { BroadcastChannel: undefined }],
    [
      'when a lock is refused',
      { navigator: { locks: { request: () => Promise.reject(new DOMException('No.', 'SecurityError')) } } },
    ],
    [
      'when a channel is refused',
      {
        BroadcastChannel: function refuse() {
          throw new DOMException('No.', 'SecurityError');
        },
      },
    ],
  ])('a shared client uses a private connection %s, and closes it', async (_, parts) => {
    stubPage(parts);
    const opened = open();
    await vi.waitFor(() => expect(opened.attempts).toHaveLength(1));
    expect(isAlone(opened)).toBe(true);
    opened.client.close();
    expect(opened.attempts[0]!.closed).toBe(true);
    expect(channels).toBe(0);
    expect(opened.clock.pending).toBe(0);
    expect(await namesOf()).toEqual([]);
  });
});

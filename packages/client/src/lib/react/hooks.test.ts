// @vitest-environment happy-dom
import { defineChannel, stream, topic } from '@linefeed/shared';
import { FRAME } from '@linefeed/shared/wire';
import { act, createElement as h, useEffect, type ReactNode } from 'react';
import { renderToString } from 'react-dom/server';
import { describe, expect, it, vi } from 'vitest';
import { z } from 'zod';
import { mount, type PageOptions } from '../../../test/page.ts';
import { createScript, type Script } from '../../../test/scripted-client.ts';
import type { Client } from '../client/client.ts';
import type { Gap } from '../subscriptions/types.ts';
import { createHooks } from './hooks.ts';

const board = defineChannel({
  notice: z.string(),
  price: topic({
    params: z.object({ symbol: z.string(), at: z.object({ x: z.number(), y: z.number() }).optional() }),
    data: z.object({ bid: z.number(), ask: z.number() }),
  }),
  report: stream({ data: z.number() }),
});
type Board = typeof board;

const { Provider, useTopic, useConnectionState, useClient } = createHooks<Board>();

/** Mounts a component below a client whose transport the test controls. */
async function start(
  Component: () => ReactNode,
  options?: PageOptions,
  onGap: (gap: Gap) => void = () => {},
) {
  const script = createScript({ onGap });
  const client = script.client as Client<Board>;
  const wrap = (...nodes: ReactNode[]) => h(Provider, { client }, ...nodes);
  const page = await mount(wrap(h(Component)), options);
  const settle = async () => await act(async () => await script.settle());
  await settle();
  return { script, client, page, wrap, settle };
}

/** Connects; each address is accepted at position 5. */
async function accept(script: Script, ...addresses: string[]): Promise<void> {
  await act(async () => {
    script.last().hello('e.5');
    for (const address of addresses) script.last().subscribed(address, 5);
    await script.settle();
  });
}

async function send(script: Script, event: string, ...payloads: Array<[position: number, payload: unknown]>) {
  await act(async () => {
    for (const [position, payload] of payloads) script.last().send(event, payload, `e.${position}`);
    await script.settle();
  });
}

const lost = (to: string) => ({ address: 'notice', from: 'e.5', to, reason: 'trimmed' });

const addresses = (script: Script) => script.last().opening.entries.map(({ address }) => address);

describe('useTopic', () => {
  it('useTopic shows `initial`, then the newest payload, and the status of its subscription', async () => {
    const { script, page } = await start(() => {
      const { data, status } = useTopic('notice', { initial: 'none' });
      return `${status}: ${data}`;
    });
    expect(page.text()).toBe('subscribing: none');
    await accept(script, 'notice');
    expect(page.text()).toBe('subscribed: none');
    await send(script, 'notice', [6, 'a'], [7, 'b']);
    expect(page.text()).toBe('subscribed: b');
    await page[Symbol.asyncDispose]();
    await script.clock.advance(1_000);
    expect(script.client.connection.getSnapshot().state).toBe('idle');
    expect(script.clock.pending).toBe(0);
  });

  it('useTopic shows undefined until the first payload when there is no `initial`', async () => {
    await using page = (
      await start(() => {
        const { data } = useTopic('notice', { select: (text) => text.toUpperCase() });
        return String(data);
      })
    ).page;
    expect(page.text()).toBe('undefined');
  });

  it('useTopic renders once for a burst, and `reduce` gets every event of it', async () => {
    let renders = 0;
    const { script, page } = await start(() => {
      renders += 1;
      const { data } = useTopic('notice', { initial: '', reduce: (all, text) => all + text });
      return data;
    });
    await accept(script, 'notice');
    renders = 0;
    await send(script, 'notice', [6, 'a'], [7, 'b'], [8, 'c']);
    expect(page.text()).toBe('abc');
    expect(renders).toBe(1);
    await page[Symbol.asyncDispose]();
  });

  it('useTopic does not render when the selected value stays the same', async () => {
    let renders = 0;
    const { script, page } = await start(() => {
      renders += 1;
      const { data } = useTopic('price', { params: { symbol: 'A' }, select: ({ bid }) => bid });
      return String(data);
    });
    expect(renders).toBe(1);
    await accept(script, 'price?symbol=A');
    expect(renders).toBe(2);
    await send(script, 'price?symbol=A', [6, { bid: 1, ask: 1 }]);
    expect(page.text()).toBe('1');
    expect(renders).toBe(3);
    await send(script, 'price?symbol=A', [7, { bid: 1, ask: 2 }], [8, { bid: 1, ask: 3 }]);
    expect(renders).toBe(3);
    await page[Symbol.asyncDispose]();
  });

  it('useTopic does not render for events of other addresses or for connection changes', async () => {
    let renders = 0;
    const { script, client, page, settle } = await start(() => {
      renders += 1;
      return useTopic('notice').data;
    });
    client.subscribe('price', { symbol: 'A' }, () => {});
    await accept(script, 'notice', 'price?symbol=A');
    renders = 0;
    await send(script, 'price?symbol=A', [6, { bid: 1, ask: 1 }]);
    await act(async () => script.last().lose());
    await settle();
    expect(client.connection.getSnapshot().state).toBe('reconnecting');
    expect(renders).toBe(0);
    await page[Symbol.asyncDispose]();
    client.close();
  });

  it('useTopic does not render in a loop when `select` returns a new value each time', async () => {
    let renders = 0;
    const { script, page } = await start(() => {
      renders += 1;
      const { data } = useTopic('notice', { initial: 'a b', select: (text) => text.split(' ') });
      return data.join('+');
    });
    expect(renders).toBe(1);
    await accept(script, 'notice');
    await send(script, 'notice', [6, 'c d']);
    expect(page.text()).toBe('c+d');
    expect(renders).toBe(3);
    await page[Symbol.asyncDispose]();
  });

  it('useTopic uses the `select` and `reduce` of the last render', async () => {
    let sign = '+';
    const Component = () =>
      useTopic('notice', {
        initial: '',
        reduce: (all, text) => all + sign + text,
        select: (all) => `${all}${sign}`,
      }).data;
    const { script, page, wrap } = await start(Component);
    await accept(script, 'notice');
    await send(script, 'notice', [6, 'a']);
    sign = '-';
    await page.show(wrap(h(Component)));
    expect(page.text()).toBe('+a-');
    await send(script, 'notice', [7, 'b']);
    expect(page.text()).toBe('+a-b-');
    await page[Symbol.asyncDispose]();
  });
});

describe('useTopic: params', () => {
  const Price = ({ params }: { params: { symbol: string; at?: { x: number; y: number } } }) => {
    const { data } = useTopic('price', { params, initial: { bid: 0, ask: 0 } });
    return `${params.symbol} ${data.bid}`;
  };

  it('useTopic compares params by value, so equal new objects change nothing', async () => {
    let params = { symbol: 'A', at: { x: 1, y: 2 } };
    const Component = () => h(Price, { params });
    const { script, page, wrap, settle } = await start(Component);
    await accept(script, addresses(script)[0]!);
    await send(script, addresses(script)[0]!, [6, { bid: 1, ask: 1 }]);
    params = { at: { y: 2, x: 1 }, symbol: 'A' };
    await page.show(wrap(h(Component)));
    await settle();
    expect(page.text()).toBe('A 1');
    expect(script.attempts).toHaveLength(1);
    expect(script.controls).toEqual([]);
    await page[Symbol.asyncDispose]();
  });

  it('useTopic subscribes again from `initial` on the same connection when params change', async () => {
    let symbol = 'A';
    const Component = () => h(Price, { params: { symbol } });
    const { script, page, wrap, settle } = await start(Component);
    await accept(script, 'price?symbol=A');
    await send(script, 'price?symbol=A', [6, { bid: 1, ask: 1 }]);
    expect(page.text()).toBe('A 1');
    symbol = 'B';
    await page.show(wrap(h(Component)));
    expect(page.text()).toBe('B 0');
    await settle();
    expect(script.controls).toEqual([
      expect.objectContaining({ n: 1, add: [expect.objectContaining({ address: 'price?symbol=B' })] }),
    ]);
    await act(async () => script.last().subscribed('price?symbol=B', 6, { n: 1 }));
    await send(script, 'price?symbol=A', [7, { bid: 7, ask: 7 }]);
    expect(page.text()).toBe('B 0');
    await send(script, 'price?symbol=B', [8, { bid: 8, ask: 8 }]);
    expect(page.text()).toBe('B 8');
    await act(async () => await script.clock.advance(1_000));
    expect(script.controls[1]).toMatchObject({ add: [], remove: ['price?symbol=A'] });
    expect(script.attempts).toHaveLength(1);
    await page[Symbol.asyncDispose]();
  });

  it('useTopic shows a failed subscription for params that no address can contain', async () => {
    const { script, page } = await start(() => {
      const { status, error } = useTopic('price', { params: { symbol: '\ud800' } });
      return `${status} ${error?.code}`;
    });
    await act(async () => {});
    expect(page.text()).toBe('failed invalid_params');
    expect(script.attempts).toHaveLength(0);
    await page[Symbol.asyncDispose]();
  });
});

describe('useTopic: enabled', () => {
  it('useTopic opens no connection when `enabled` is false', async () => {
    const { script, page } = await start(() => useTopic('notice', { enabled: false }).status);
    expect(page.text()).toBe('idle');
    expect(script.attempts).toHaveLength(0);
    await page[Symbol.asyncDispose]();
  });

  it('useTopic keeps its data while `enabled` is false, and resumes after the last event', async () => {
    let enabled = true;
    const Component = () => {
      const { data, status } = useTopic('notice', {
        initial: '',
        reduce: (all, text) => all + text,
        enabled,
      });
      return `${status}: ${data}`;
    };
    const { script, page, wrap, settle } = await start(Component);
    await accept(script, 'notice');
    await send(script, 'notice', [6, 'a']);
    enabled = false;
    await page.show(wrap(h(Component)));
    expect(page.text()).toBe('idle: a');
    await act(async () => await script.clock.advance(1_000));
    expect(script.last().closed).toBe(true);
    enabled = true;
    await page.show(wrap(h(Component)));
    await settle();
    expect(script.attempts).toHaveLength(2);
    expect(script.last().opening.entries).toEqual([
      expect.objectContaining({ address: 'notice', from: 'e.6' }),
    ]);
    await act(async () => {
      script.last().hello('e.6');
      script.last().subscribed('notice', 6, { tail: 'e.7' });
    });
    await send(script, 'notice', [7, 'b']);
    expect(page.text()).toBe('subscribed: ab');
    await page[Symbol.asyncDispose]();
  });
});

describe('useTopic: enabled turned off', () => {
  it('useTopic is idle at once when `enabled` turns false, and keeps the last gap', async () => {
    let enabled = true;
    const seen: string[] = [];
    const Component = () => {
      const { status, gap, error } = useTopic('notice', { enabled });
      seen.push(`${status} ${gap?.to} ${error?.code}`);
      return null;
    };
    const { script, page, wrap } = await start(Component);
    await accept(script, 'notice');
    // After a gap, a server sends the position at which it continues.
    const lose = async (to: string) =>
      await act(async () => {
        script.last().send(FRAME.gap, lost(to));
        script.last().send(FRAME.bookmark, {}, to);
      });
    await lose('e.9');
    const show = async (next: boolean) => {
      seen.length = 0;
      enabled = next;
      await page.show(wrap(h(Component)));
      return [...seen];
    };
    expect(seen.at(-1)).toBe('subscribed e.9 undefined');
    expect(await show(false)).toEqual(['idle e.9 undefined']);
    expect((await show(true))[0]).toBe('subscribing e.9 undefined');
    expect(seen.at(-1)).toBe('subscribed e.9 undefined');
    await lose('e.12');
    expect(seen.at(-1)).toBe('subscribed e.12 undefined');
    await show(false);
    await show(true);
    expect(await show(false)).toEqual(['idle e.12 undefined']);
    await page[Symbol.asyncDispose]();
  });
});

describe('useTopic: from', () => {
  it('useTopic starts at `from`, and starts again from `initial` when `from` changes', async () => {
    let state = { from: 'e.5', initial: 'x' };
    const Component = () => useTopic('notice', { ...state, reduce: (all, text) => all + text }).data;
    const { script, page, wrap, settle } = await start(Component);
    expect(script.last().opening.entries).toEqual([
      expect.objectContaining({ address: 'notice', from: 'e.5' }),
    ]);
    await accept(script, 'notice');
    await send(script, 'notice', [6, 'a']);
    expect(page.text()).toBe('xa');
    state = { from: 'e.8', initial: 'y' };
    await page.show(wrap(h(Component)));
    await settle();
    expect(page.text()).toBe('y');
    expect(script.controls).toEqual([
      expect.objectContaining({ add: [expect.objectContaining({ address: 'notice', from: 'e.8' })] }),
    ]);
    await page[Symbol.asyncDispose]();
  });
});

describe('useTopic: gaps and errors', () => {
  it('useTopic shows gaps and errors, and calls `onGap`', async () => {
    const gaps: string[] = [];
    const Component = () => {
      const { gap, error } = useTopic('notice', { onGap: ({ to }) => gaps.push(to) });
      return `${gap?.reason} ${error?.code}`;
    };
    const { script, page, settle } = await start(Component);
    await accept(script, 'notice');
    expect(page.text()).toBe('undefined undefined');
    await act(async () =>
      script.last().send(FRAME.gap, { address: 'notice', from: 'e.5', to: 'e.9', reason: 'trimmed' }),
    );
    expect(page.text()).toBe('trimmed undefined');
    expect(gaps).toEqual(['e.9']);
    await act(async () =>
      script
        .last()
        .send(FRAME.error, { address: 'notice', code: 'forbidden', message: 'No.', retryable: false }),
    );
    await settle();
    expect(page.text()).toBe('trimmed forbidden');
    await page[Symbol.asyncDispose]();
  });

  it('useTopic calls the `onGap` of the last render, or that of the client when there is none', async () => {
    const gaps: string[] = [];
    const tell =
      (who: string) =>
      ({ to }: Gap) =>
        gaps.push(`${who} ${to}`);
    let onGap: ((gap: Gap) => unknown) | undefined;
    const Component = () => useTopic('notice', { onGap }).status;
    const { script, page, wrap } = await start(Component, {}, tell('client'));
    await accept(script, 'notice');
    const lose = async (next: typeof onGap, to: string) => {
      onGap = next;
      await page.show(wrap(h(Component)));
      await act(async () => script.last().send(FRAME.gap, lost(to)));
    };
    await lose(undefined, 'e.6');
    await lose(tell('late'), 'e.7');
    await lose(tell('later'), 'e.8');
    await lose(undefined, 'e.9');
    expect(gaps).toEqual(['client e.6', 'late e.7', 'later e.8', 'client e.9']);
    expect(script.controls).toEqual([]);
    await page[Symbol.asyncDispose]();
  });

  it('useTopic starts again from `initial` when a stream without ids runs again', async () => {
    let enabled = true;
    const Component = () => {
      const { data, status } = useTopic('report', { initial: 0, reduce: (sum, step) => sum + step, enabled });
      return `${status}: ${data}`;
    };
    const { script, page, wrap, settle } = await start(Component);
    const run = async (attempt: Script['attempts'][number]) =>
      await act(async () => {
        const { key } = attempt.opening.entries[0]!;
        attempt.hello();
        attempt.send(FRAME.subscribed, { address: `report~${key}`, event: `report~${key}`, key });
        attempt.send(`report~${key}`, 1, '~');
        attempt.send(`report~${key}`, 2, '~');
      });
    await run(script.last());
    expect(page.text()).toBe('subscribed: 3');
    enabled = false;
    await page.show(wrap(h(Component)));
    await act(async () => await script.clock.advance(2_000));
    enabled = true;
    await page.show(wrap(h(Component)));
    await settle();
    expect(page.text()).toBe('subscribing: 0');
    await run(script.last());
    expect(page.text()).toBe('subscribed: 3');
    const [entry] = script.last().opening.entries;
    await act(async () => script.last().send(FRAME.end, { address: `report~${entry?.key}` }));
    expect(page.text()).toBe('ended: 3');
    await page[Symbol.asyncDispose]();
  });
});

describe('hooks with a closed client', () => {
  const Report = () => {
    const { status, error } = useTopic('report');
    return ` ${status} ${error?.code}: ${error?.message}`;
  };

  it('useTopic fails with a closed client, and the page stays rendered', async () => {
    const { script, client, page, wrap, settle } = await start(() => useTopic('notice').status);
    client.close();
    await page.show(wrap('hello', h(Report)));
    expect(page.text()).toBe('hello failed closed: The client is closed: report cannot be subscribed.');
    const other = createScript();
    await page.show(h(Provider, { client: other.client as Client<Board> }, 'hello', h(Report)));
    await settle();
    expect(page.text()).toBe('hello subscribing undefined: undefined');
    expect(script.attempts).toHaveLength(1);
    await page[Symbol.asyncDispose]();
    await other.clock.advance(1_000);
  });

  it('useTopic fails when an effect closes the client in StrictMode', async () => {
    const script = createScript();
    const client = script.client as Client<Board>;
    const App = () => {
      useEffect(() => () => client.close(), []);
      return h(Provider, { client }, h(Report));
    };
    await using page = await mount(h(App), { strict: true });
    expect(page.text()).toContain('failed closed');
  });

  it('useTopic is idle with a closed client when `enabled` is false', async () => {
    const script = createScript();
    const client = script.client as Client<Board>;
    client.close();
    let enabled = true;
    const Component = () => useTopic('notice', { enabled }).status;
    await using page = await mount(h(Provider, { client }, h(Component)));
    expect(page.text()).toBe('failed');
    enabled = false;
    await page.show(h(Provider, { client }, h(Component)));
    expect(page.text()).toBe('idle');
  });
});

describe('hooks in StrictMode', () => {
  it('useTopic opens one connection and subscribes once in StrictMode', async () => {
    const { script, page } = await start(
      () => {
        const { data } = useTopic('notice', { initial: '', reduce: (all, text) => all + text });
        return data;
      },
      { strict: true },
    );
    expect(script.attempts).toHaveLength(1);
    expect(addresses(script)).toEqual(['notice']);
    await accept(script, 'notice');
    await send(script, 'notice', [6, 'a'], [7, 'b']);
    expect(page.text()).toBe('ab');
    expect(script.controls).toEqual([]);
    await page[Symbol.asyncDispose]();
  });

  it('useTopic runs a stream once in StrictMode', async () => {
    const { script, page } = await start(() => String(useTopic('report').data), { strict: true });
    expect(addresses(script)).toEqual(['report']);
    expect(script.controls).toEqual([]);
    await page[Symbol.asyncDispose]();
  });
});

describe('hooks during server rendering', () => {
  const Component = () => {
    const { data, status } = useTopic('notice', { initial: 'none' });
    const { state } = useConnectionState();
    return h('p', undefined, `${state} ${status} ${data}`);
  };

  it('server rendering renders `initial` and opens no connection', async () => {
    const script = createScript();
    const html = renderToString(h(Provider, { client: script.client as Client<Board> }, h(Component)));
    await script.settle();
    expect(html).toBe('<p>idle subscribing none</p>');
    expect(script.attempts).toHaveLength(0);
    expect(script.client.connection.getSnapshot().state).toBe('idle');
    expect(script.clock.pending).toBe(0);
  });

  it('hydration matches the server HTML below a connected client', async () => {
    const script = createScript();
    const client = script.client as Client<Board>;
    client.subscribe('price', { symbol: 'A' }, () => {});
    await script.settle();
    await accept(script, 'price?symbol=A');
    const complaints = vi.spyOn(console, 'error');
    const page = await mount(h(Provider, { client }, h(Component)), { html: '<p>idle subscribing none</p>' });
    expect(complaints).not.toHaveBeenCalled();
    expect(page.text()).toBe('connected subscribing none');
    await page[Symbol.asyncDispose]();
    client.close();
  });
});

describe('useConnectionState and the Provider', () => {
  it('useConnectionState follows the connection', async () => {
    let renders = 0;
    const { script, page } = await start(() => {
      renders += 1;
      useTopic('notice');
      const { hasEverConnected } = useClient().connection.getSnapshot();
      return `${useConnectionState().state} ${hasEverConnected}`;
    });
    expect(page.text()).toBe('connecting false');
    await accept(script, 'notice');
    expect(page.text()).toBe('connected true');
    renders = 0;
    await send(script, 'notice', [6, 'a']);
    expect(renders).toBe(1);
    await page[Symbol.asyncDispose]();
  });

  it('hooks throw without a Provider', () => {
    const Component = () => useTopic('notice').data;
    expect(() => renderToString(h(Component))).toThrow(
      'Linefeed hooks need a <Provider client={…}> above them.',
    );
  });
});

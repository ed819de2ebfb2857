/** A page's script: reads the runs of one address in several ways, and records each call. */
import {
  createClient,
  eventSourceTransport,
  fetchTransport,
  iterate,
  type Client,
  type StoppedRun,
} from '@linefeed/client';
import { createSharedClient } from '@linefeed/client/share';
import type { RunBoard } from './run-board.ts';

export interface RunsPageOptions {
  readonly transport: 'fetch' | 'EventSource';
  /** Share the connection with other tabs of this identity. */
  readonly identity?: string;
}

export interface RunsPage {
  /** Subscribes, and records the numbers of the events, and the ends. Returns the list. */
  readonly follow: (name: string, from?: string) => void;
  /** Iterates over the current run, and records the numbers and the outcome. */
  readonly loop: (name: string, from?: string) => void;
  readonly stop: (reason: string) => Promise<StoppedRun | undefined>;
  readonly lists: Record<string, Array<number | string>>;
  /** The numbers of logged events on the same connection. */
  readonly notices: number[];
  readonly errors: string[];
}

const chat = { chat: '1' };

function open({ transport, identity }: RunsPageOptions): RunsPage {
  const errors: string[] = [];
  const options = {
    url: '/events',
    transport: transport === 'fetch' ? fetchTransport() : eventSourceTransport(),
    retry: { baseMs: 20, floorMs: 20, capMs: 100 },
    onError: ({ code }: { readonly code: string }) => void errors.push(code),
  };
  const client: Client<RunBoard> =
    identity === undefined
      ? createClient<RunBoard>(options)
      : createSharedClient<RunBoard>({ ...options, identity });
  const lists: RunsPage['lists'] = {};
  const notices: number[] = [];
  client.subscribe('notice', (n) => notices.push(n));
  return {
    lists,
    notices,
    errors,
    follow(name, from) {
      const list = (lists[name] = [] as Array<number | string>);
      client.subscribe('answer', chat, ({ n }) => list.push(n), {
        from,
        onEnd: ({ outcome, result, reason }) => list.push(reason ?? `${outcome} ${result?.count}`),
      });
    },
    loop(name, from) {
      const list = (lists[name] = [] as Array<number | string>);
      void (async () => {
        const iterator = iterate(client, 'answer', { params: chat, from });
        for (;;) {
          const { done, value } = await iterator.next();
          if (done !== true) list.push(value.n);
          else return list.push(value ? value.outcome : 'left');
        }
      })();
    },
    stop: (reason) => client.stop('answer', chat, { reason }),
  };
}

declare global {
  interface Window {
    openRuns: typeof open;
    runs: RunsPage;
  }
}

window.openRuns = open;

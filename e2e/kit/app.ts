/** The page's script: subscribes as configured and records its events. */
import {
  createClient,
  iterate,
  eventSourceTransport,
  fetchTransport,
  persistCursor,
  type Client,
  type Gap,
  type LinefeedError,
} from '@linefeed/client';
import { createSharedClient } from '@linefeed/client/share';
import type { Board } from './board.ts';

export type TransportName = 'fetch' | 'EventSource';

/** One event of a subscription, in order. */
export type Seen = { readonly run: string; readonly n: number } | { readonly gap: Gap };

export interface Recorder {
  readonly notice: Seen[];
  readonly room: Seen[];
  readonly steps: number[];
  readonly errors: string[];
  readonly states: string[];
  /** Arrival time of each notice, in milliseconds since the page's start. */
  readonly noticeAt: number[];
  readonly client: Client<Board>;
}

export interface RecordOptions {
  readonly transport: TransportName;
  /** Share the connection with other tabs of this identity. */
  readonly identity?: string;
  /** Wait between attempts like a client with default options. */
  readonly patient?: boolean;
  /** Also run the stream, with this number of steps. */
  readonly steps?: number;
  /** Keep the cursor over a reload. */
  readonly persist?: boolean;
  readonly pauseWhenHidden?: { readonly graceMs: number };
}

/** Starts recording; retries are quick, so that a test of many cuts ends. */
function record({
  transport,
  identity,
  patient = false,
  steps,
  persist,
  pauseWhenHidden,
}: RecordOptions): Recorder {
  const recorder = {
    notice: [] as Seen[],
    room: [] as Seen[],
    steps: [] as number[],
    errors: [] as string[],
    states: [] as string[],
    noticeAt: [] as number[],
  };
  const options = {
    url: '/events',
    transport: transport === 'fetch' ? fetchTransport() : eventSourceTransport(),
    retry: patient ? undefined : { baseMs: 20, floorMs: 10, capMs: 200 },
    connectTimeoutMs: 3_000,
    persist: persist === true ? persistCursor() : undefined,
    pauseWhenHidden,
    onError: (error: LinefeedError) => recorder.errors.push(`${error.code}: ${error.message}`),
  };
  const client =
    identity === undefined
      ? createClient<Board>(options)
      : createSharedClient<Board>({ ...options, identity });
  client.connection.subscribe(() => {
    const { current, state } = client.connection.getSnapshot() as { current?: string; state?: string };
    recorder.states.push(current ?? state ?? '');
  });
  const onNotice = ({ run, n }: { readonly run: string; readonly n: number }): void => {
    recorder.notice.push({ run, n });
    recorder.noticeAt.push(performance.now());
  };
  client.subscribe('notice', onNotice, { onGap: (gap) => recorder.notice.push({ gap }) });
  client.subscribe('room', { name: 'a' }, ({ run, n }) => recorder.room.push({ run, n }), {
    onGap: (gap) => recorder.room.push({ gap }),
  });
  if (steps !== undefined) {
    void (async () => {
      for await (const { step } of iterate(client, 'report', { params: { steps } }))
        recorder.steps.push(step);
    })().catch((error: unknown) => recorder.errors.push(String(error)));
  }
  return { ...recorder, client };
}

declare global {
  interface Window {
    record: typeof record;
    recorder: Recorder;
    /** The plain page's list. */
    seen: number[];
  }
}

window.record = record;

/** A network in memory: splits, delays, stalls and cuts at any byte, and feeds that stop and start. */
import { parseEntry } from '@linefeed/shared/wire';
import {
  respond,
  type HttpResponse,
  type RequestTarget,
  type HttpRequest,
} from '../packages/server/src/lib/http/http.ts';
import type { ResponseSink } from '../packages/server/src/lib/http/response-sink.ts';
import type { Chance, SimClock } from './clock.ts';
import { SINK_FAILURE, SimSink } from './sink.ts';
import type { WireChecker } from './wire.ts';

export interface Line {
  /** Ends it: `reset` as an error, `eof` as if the server had finished, `half` without a signal to either end. */
  cut(how: 'reset' | 'eof' | 'half'): void;
  /** No bytes pass for this time. */
  stall(ms: number): void;
}

export interface Network {
  /** Open event streams. */
  readonly lines: ReadonlySet<Line>;
  /** While false, requests and streams may fail; set to true when the network heals. */
  calm: boolean;
  readonly fetch: typeof globalThis.fetch;
}

interface NetworkOptions {
  readonly clock: SimClock;
  readonly chance: Chance;
  /** The node that answers, if one is running. */
  readonly route: () => RequestTarget | undefined;
  /** Called after each stream is opened and on every write, with the number of waiting bytes. */
  readonly onBuffered: (bytes: number) => void;
  /** Some sinks simulate an adapter that throws. */
  readonly sinksThrow: boolean;
  /** Returns the checker for the frames of a response. */
  readonly watch: (request: number) => WireChecker;
  /** Called with requests and received bytes, to trace a single world. */
  readonly trace: (what: string) => void;
}

/** Header that gives the application the number of its request. */
export const REQUEST_HEADER = 'x-request';

export function createNetwork({
  clock,
  chance,
  route,
  onBuffered,
  sinksThrow,
  watch,
  trace,
}: NetworkOptions): Network {
  const lines = new Set<Line>();
  let requests = 0;
  const network = {
    lines,
    calm: false,
    fetch: (async (target: string, init: RequestInit = {}) => {
      const signal = init.signal ?? undefined;
      const headers = new Headers(init.headers);
      const request = (requests += 1);
      headers.set(REQUEST_HEADER, String(request));
      const who = `${headers.get('user') ?? 'plain'} ${headers.get('last-event-id') ?? ''}`;
      trace(`${who} asks ${decodeURIComponent(target.slice(15))} ${textOf(init)}`);
      await clock.sleep(chance.between(0, 40));
      if (signal?.aborted === true) throw new Error('aborted');
      if (!network.calm && chance.is(0.08)) throw new Error('connection refused');
      if (!network.calm && chance.is(0.05)) return toResponse(502, 'bad gateway', target);
      const feed = route();
      if (feed === undefined) throw new Error('nobody listens');
      // Some proxies sort a query, group it by name, or build it again.
      const changed = shuffleQuery(target, chance);
      const answer = (await respond(feed, toRequest(changed, { ...init, headers }))) ?? {
        status: 404,
        headers: [],
        body: '',
      };
      // The server has acted on the request even if its answer is lost.
      if (!network.calm && typeof answer.body !== 'function' && chance.is(0.05))
        throw new Error('answer lost');
      if (typeof answer.body !== 'function') return toResponse(answer.status, answer.body ?? '', target);
      const wire = watch(request);
      Object.assign(wire, askedBy(target, { ...init, headers }));
      return openLine(answer, wire, signal, target, who);
    }) as typeof globalThis.fetch,
  };

  function openLine(
    answer: HttpResponse,
    wire: WireChecker,
    signal: AbortSignal | undefined,
    url: string,
    who: string,
  ): Response {
    const sink = new SimSink(onBuffered, wire, clock.look);
    // It throws at one of its first calls, and from then on. The server may learn of the close some time later, or
    // never.
    if (sinksThrow && !network.calm && chance.is(0.3)) {
      sink.throwsAfter = chance.pick([0, 1, 2, 3, 10]);
      sink.onThrow = () => {
        if (chance.is(0.5)) clock.after(chance.between(0, 5_000), () => sink.leave());
        finish('reset', true);
      };
    }
    let waiting:
      | { resolve(step: ReadableStreamReadResult<Uint8Array>): void; reject(error: Error): void }
      | undefined;
    const arrived: Uint8Array[] = [];
    let ending: 'eof' | 'reset' | undefined;
    let silentUntil = 0;
    let halfOpen = false;
    let pumping = false;

    const serve = (): void => {
      if (waiting === undefined) return;
      const next = arrived.shift();
      const { resolve, reject } = waiting;
      if (next !== undefined) {
        waiting = undefined;
        resolve({ done: false, value: next });
      } else if (ending !== undefined) {
        waiting = undefined;
        if (ending === 'eof') resolve({ done: true, value: undefined });
        else reject(new Error('connection reset'));
      }
    };
    const finish = (how: 'eof' | 'reset', isUntold = false): void => {
      if (ending !== undefined) return;
      ending = how;
      lines.delete(line);
      if (!isUntold) sink.leave();
      serve();
    };
    /** Moves some bytes after a delay. They wait if the reader takes none. */
    const pump = (): void => {
      if (pumping || ending !== undefined || halfOpen) return;
      pumping = true;
      const wait = Math.max(chance.between(0, 15), silentUntil - clock.now());
      clock.after(wait, () => {
        pumping = false;
        if (ending !== undefined || halfOpen) return;
        if (silentUntil > clock.now()) return pump();
        if (arrived.length < 3) {
          const bytes = sink.take(chance.is(0.3) ? chance.between(1, 20) : chance.between(20, 2_000));
          if (bytes.byteLength > 0) {
            trace(`${who} gets ${JSON.stringify(new TextDecoder().decode(bytes))}`);
            arrived.push(bytes);
          }
          serve();
        }
        // After a reader pauses, as in a crashed tab, its next read pumps again.
        if (sink.bufferedBytes > 0) {
          if (arrived.length < 3) pump();
        } else if (sink.ended) finish('eof');
        else if (sink.destroyed) finish('reset');
      });
    };
    const line: Line = {
      cut(how) {
        if (how === 'half') {
          halfOpen = true;
          lines.delete(line);
          // The server learns of it when its kernel gives up.
          clock.after(chance.between(1_000, 60_000), () => sink.leave());
        } else finish(how);
      },
      stall(ms) {
        silentUntil = clock.now() + ms;
      },
    };
    sink.onWork = pump;
    lines.add(line);
    signal?.addEventListener('abort', () => {
      lines.delete(line);
      ending ??= 'reset';
      clock.after(chance.between(0, 40), () => sink.leave());
    });
    try {
      (answer.body as (sink: ResponseSink) => void)(sink);
    } catch (error) {
      // Like an adapter: it cuts the response.
      if (!(error instanceof Error && error.message === SINK_FAILURE)) throw error;
      finish('reset', true);
    }
    pump();
    const reader = {
      read: () =>
        new Promise<ReadableStreamReadResult<Uint8Array>>((resolve, reject) => {
          waiting = { resolve, reject };
          serve();
          if (sink.bufferedBytes > 0) pump();
        }),
      cancel: async () => finish('reset'),
    };
    return toResponse(200, { getReader: () => reader }, url, 'text/event-stream');
  }

  return network;
}

// Real responses would bring real turns of the event loop with them.
function toResponse(status: number, body: unknown, url: string, type = 'text/plain'): Response {
  const text = typeof body === 'string' ? body : undefined;
  const once = [new TextEncoder().encode(text ?? '')];
  const stream =
    text === undefined
      ? body
      : {
          // The body of a control request is only cancelled, never read.
          cancel: async () => undefined,
          getReader: () => ({
            read: async () => ({ done: once.length === 0, value: once.shift() }),
            cancel: async () => undefined,
          }),
        };
  return { status, url, headers: new Headers({ 'content-type': type }), body: stream } as unknown as Response;
}

function toRequest(target: string, init: RequestInit): HttpRequest {
  const headers = new Headers(init.headers);
  const url = new URL(target, 'http://sim.test');
  return {
    method: init.method ?? 'GET',
    url,
    header: (name) => headers.get(name) ?? undefined,
    text: async () => textOf(init),
    discard: () => undefined,
    toRequest: () => new Request(url, { method: init.method ?? 'GET', headers }),
  };
}

function shuffleQuery(target: string, chance: Chance): string {
  const [path, query] = target.split('?');
  if (query === undefined) return target;
  const pairs = query.split('&');
  const shuffled: string[] = [];
  while (pairs.length > 0) shuffled.push(...pairs.splice(chance.between(0, pairs.length - 1), 1));
  return `${path}?${shuffled.join('&')}`;
}

/** The client under test sends only text. */
function textOf({ body }: RequestInit): string {
  return typeof body === 'string' ? body : '';
}

/** The cursors in a request for an opening, and its addresses from `earliest`. */
function askedBy(target: string, init: RequestInit): Pick<WireChecker, 'asked' | 'askedEarliest'> {
  const { searchParams } = new URL(target, 'http://sim.test');
  const { topics = [], last_event_id: posted } = JSON.parse(textOf(init) || '{}') as {
    topics?: Array<{ address: string; from?: string }>;
    last_event_id?: string;
  };
  const entries = [...topics, ...searchParams.getAll('topic').map(parseEntry)];
  const connections = [
    posted,
    new Headers(init.headers).get('last-event-id'),
    searchParams.get('last_event_id'),
  ];
  const cursors = [...entries.map((entry) => entry?.from), ...connections];
  return {
    asked: new Set(cursors.filter((text) => typeof text === 'string')),
    askedEarliest: new Set(entries.flatMap((entry) => (entry?.from === 'earliest' ? entry.address : []))),
  };
}

/** A network in memory: splits, delays, stalls and cuts at any byte, and feeds that come and go behind it. */
import type { Answer, Answerer, IncomingRequest } from '../packages/server/src/lib/exchange.ts';
import type { Outlet, OutletListener } from '../packages/server/src/lib/outlet.ts';
import type { Chance, SimClock } from './clock.ts';

/** Bytes that a socket takes before it counts as full. */
const HIGH_WATER_BYTES = 1_500;

export interface Line {
  /** Ends it: `reset` as an error, `eof` as if the server had finished, `half` without a word to either end. */
  cut(how: 'reset' | 'eof' | 'half'): void;
  /** Nothing passes for so long. */
  stall(ms: number): void;
}

export interface Network {
  /** Open event streams. */
  readonly lines: ReadonlySet<Line>;
  /** While false, every request is refused and every line stays silent. */
  calm: boolean;
  readonly fetch: typeof globalThis.fetch;
}

interface NetworkOptions {
  readonly clock: SimClock;
  readonly chance: Chance;
  /** The node that answers, if one is up. */
  readonly route: () => Answerer | undefined;
  /** After each line is opened and whenever anything is written: how much waits. */
  readonly onBuffered: (bytes: number) => void;
  /** Told of requests and of bytes as they arrive, for whoever looks into one world. */
  readonly trace: (what: string) => void;
}

export function createNetwork({ clock, chance, route, onBuffered, trace }: NetworkOptions): Network {
  const lines = new Set<Line>();
  const network = {
    lines,
    calm: false,
    fetch: (async (target: string, init: RequestInit = {}) => {
      const signal = init.signal ?? undefined;
      const headers = new Headers(init.headers);
      const who = `${headers.get('user') ?? 'plain'} ${headers.get('last-event-id') ?? ''}`;
      trace(`${who} asks ${decodeURIComponent(target.slice(15))} ${textOf(init)}`);
      await clock.sleep(chance.between(0, 40));
      if (signal?.aborted === true) throw new Error('aborted');
      if (!network.calm && chance.is(0.08)) throw new Error('connection refused');
      if (!network.calm && chance.is(0.05)) return toResponse(502, 'bad gateway', target);
      const answerer = route();
      if (answerer === undefined) throw new Error('nobody listens');
      // Some proxies sort a query, group it by name, or build it anew.
      const answer = (await answerer['~answer'](toRequest(shuffleQuery(target, chance), init))) ?? {
        status: 404,
        headers: [],
        body: '',
      };
      // An answer that got lost on its way was acted on all the same.
      if (!network.calm && typeof answer.body !== 'function' && chance.is(0.05))
        throw new Error('answer lost');
      if (typeof answer.body !== 'function') return toResponse(answer.status, answer.body ?? '', target);
      return openLine(answer, signal, target, who);
    }) as typeof globalThis.fetch,
  };

  function openLine(answer: Answer, signal: AbortSignal | undefined, url: string, who: string): Response {
    const outlet = new SimOutlet(onBuffered);
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
    const finish = (how: 'eof' | 'reset'): void => {
      if (ending !== undefined) return;
      ending = how;
      lines.delete(line);
      outlet.leave();
      serve();
    };
    /** Moves some bytes, some time later. A reader that takes none makes them wait. */
    const pump = (): void => {
      if (pumping || ending !== undefined || halfOpen) return;
      pumping = true;
      const wait = Math.max(chance.between(0, 15), silentUntil - clock.now());
      clock.after(wait, () => {
        pumping = false;
        if (ending !== undefined || halfOpen) return;
        if (silentUntil > clock.now()) return pump();
        if (arrived.length < 3) {
          const bytes = outlet.take(chance.is(0.3) ? chance.between(1, 20) : chance.between(20, 2_000));
          if (bytes.byteLength > 0) {
            trace(`${who} gets ${JSON.stringify(new TextDecoder().decode(bytes))}`);
            arrived.push(bytes);
          }
          serve();
        }
        if (outlet.bufferedBytes > 0) pump();
        else if (outlet.ended) finish('eof');
        else if (outlet.destroyed) finish('reset');
      });
    };
    const line: Line = {
      cut(how) {
        if (how === 'half') {
          halfOpen = true;
          lines.delete(line);
          // The server learns of it when its kernel gives up.
          clock.after(chance.between(1_000, 60_000), () => outlet.leave());
        } else finish(how);
      },
      stall(ms) {
        silentUntil = clock.now() + ms;
      },
    };
    outlet.onWork = pump;
    lines.add(line);
    signal?.addEventListener('abort', () => {
      lines.delete(line);
      ending ??= 'reset';
      clock.after(chance.between(0, 40), () => outlet.leave());
    });
    (answer.body as (outlet: Outlet) => void)(outlet);
    pump();
    const reader = {
      read: () =>
        new Promise<ReadableStreamReadResult<Uint8Array>>((resolve, reject) => {
          waiting = { resolve, reject };
          serve();
          if (outlet.bufferedBytes > 0) pump();
        }),
      cancel: async () => finish('reset'),
    };
    return toResponse(200, { getReader: () => reader }, url, 'text/event-stream');
  }

  return network;
}

class SimOutlet implements Outlet {
  closed = false;
  ended = false;
  destroyed = false;
  onWork: () => void = () => undefined;
  readonly #onBuffered: (bytes: number) => void;
  #listener: OutletListener | undefined;
  #queue: Uint8Array[] = [];
  #buffered = 0;
  #wasFull = false;

  constructor(onBuffered: (bytes: number) => void) {
    this.#onBuffered = onBuffered;
  }

  get bufferedBytes(): number {
    return this.#buffered;
  }

  get roomBytes(): number {
    return this.closed || this.ended ? 0 : Math.max(0, HIGH_WATER_BYTES - this.#buffered);
  }

  write(bytes: Uint8Array): void {
    if (this.closed || this.ended) throw new Error('Written to a closed outlet.');
    this.#queue.push(bytes);
    this.#buffered += bytes.byteLength;
    this.#wasFull ||= this.#buffered >= HIGH_WATER_BYTES;
    this.#onBuffered(this.#buffered);
    this.onWork();
  }

  end(last?: Uint8Array): void {
    if (last !== undefined) this.write(last);
    this.ended = true;
    this.onWork();
  }

  destroy(): void {
    this.destroyed = true;
    this.#queue = [];
    this.#buffered = 0;
    this.onWork();
  }

  listen(listener: OutletListener): void {
    this.#listener = listener;
    if (this.closed) listener.onClose();
  }

  /** Up to `most` of the bytes that wait. */
  take(most: number): Uint8Array {
    const first = this.#queue[0];
    if (first === undefined) return new Uint8Array();
    const taken = first.subarray(0, most);
    if (taken.byteLength === first.byteLength) this.#queue.shift();
    else this.#queue[0] = first.subarray(most);
    this.#buffered -= taken.byteLength;
    if (this.#buffered === 0 && this.#wasFull) {
      this.#wasFull = false;
      this.#listener?.onDrain();
    }
    return taken;
  }

  /** The client is gone, as the server sees it. */
  leave(): void {
    if (this.closed) return;
    this.closed = true;
    this.#listener?.onClose();
  }
}

// Real ones would bring real ticks of the event loop with them.
function toResponse(status: number, body: unknown, url: string, type = 'text/plain'): Response {
  const text = typeof body === 'string' ? body : undefined;
  const once = [new TextEncoder().encode(text ?? '')];
  const stream =
    text === undefined
      ? body
      : {
          // A control request reads no body: it only lets go of it.
          cancel: async () => undefined,
          getReader: () => ({
            read: async () => ({ done: once.length === 0, value: once.shift() }),
            cancel: async () => undefined,
          }),
        };
  return { status, url, headers: new Headers({ 'content-type': type }), body: stream } as unknown as Response;
}

function toRequest(target: string, init: RequestInit): IncomingRequest {
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

/** The client under test sends text alone. */
function textOf({ body }: RequestInit): string {
  return typeof body === 'string' ? body : '';
}

/** What a server of the bench is, whatever library it is made with. */

export interface Payload {
  readonly n: number;
  /** Ends with the mark that the load counts. */
  readonly text: string;
}

/** Stands once in every payload and nowhere else: the load counts received events by it, wherever a chunk is cut. */
export const MARK = '@';
export const MARK_BYTE = 0x40;

export interface ContenderOptions {
  /** Bytes of a payload as JSON. */
  readonly bytes: number;
  /** What else a case wants of its contender. */
  readonly [option: string]: unknown;
}

/** Microseconds of CPU. */
export interface Cpu {
  readonly user: number;
  readonly system: number;
}

export interface Contender {
  readonly port: number;
  /** What a client sends to open its stream. */
  readonly request: {
    readonly method: 'GET' | 'POST';
    readonly path: string;
    readonly body?: string;
    readonly lastEventId?: string;
  };
  /** Streams that are open and get what is published. */
  subscribers(): number | Promise<number>;
  /** Publishes events in one tick. */
  publish(payloads: readonly Payload[]): unknown;
  /** Where another process does the work. */
  cpu?(): Cpu;
  /** Bytes of memory, where another process does the work. */
  rss?(): number;
  /** What single cases call. */
  readonly actions?: Readonly<Record<string, (argument: never) => unknown>>;
}

export type StartContender = (options: ContenderOptions) => Promise<Contender>;

/** A payload of so many bytes as JSON. */
export function makePayload(n: number, bytes: number): Payload {
  const bare = JSON.stringify({ n, text: MARK }).length;
  return { n, text: 'x'.repeat(Math.max(0, bytes - bare)) + MARK };
}

/** The address of an event where there are many: all in turn, no two neighbours one after the other. */
export function addressAt(n: number, addresses: number): number {
  return (n * 7_919) % addresses;
}

/** What the bare servers write, as Linefeed would frame it. */
export function encodeBareFrame(payload: Payload, event = 'news'): string {
  return encodeJsonFrame(JSON.stringify(payload), payload.n, event);
}

export function encodeJsonFrame(json: string, n: number, event = 'news'): string {
  return `event: ${event}\nid: 0123456789abcdef.${n.toString(36)}.${(n - 1).toString(36)}\ndata: ${json}\n\n`;
}

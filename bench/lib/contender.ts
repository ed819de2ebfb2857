/** The interface of a server of the bench, for any library. */

export interface Payload {
  readonly n: number;
  /** Ends with the mark that the load counts. */
  readonly text: string;
}

/** Occurs once in every payload and nowhere else: the load counts events by it, wherever a chunk is cut. */
export const MARK = '@';
export const MARK_BYTE = 0x40;

export interface ContenderOptions {
  /** Bytes of a payload as JSON. */
  readonly bytes: number;
  /** Further options of a case for its contender. */
  readonly [option: string]: unknown;
}

/** Microseconds of CPU. */
export interface Cpu {
  readonly user: number;
  readonly system: number;
}

export interface Contender {
  readonly port: number;
  /** The request of a client that opens its stream. */
  readonly request: {
    readonly method: 'GET' | 'POST';
    readonly path: string;
    readonly body?: string;
    readonly lastEventId?: string;
  };
  /** Number of open streams that get published events. */
  subscribers(): number | Promise<number>;
  /** Publishes events in one tick. */
  publish(payloads: readonly Payload[]): unknown;
  /** CPU of another process, if that one does the work. */
  cpu?(): Cpu;
  /** Bytes of memory of another process, if that one does the work. */
  rss?(): number;
  /** Functions that single cases call. */
  readonly actions?: Readonly<Record<string, (argument: never) => unknown>>;
}

export type StartContender = (options: ContenderOptions) => Promise<Contender>;

/** A payload whose JSON has this number of bytes. */
export function makePayload(n: number, bytes: number): Payload {
  const bare = JSON.stringify({ n, text: MARK }).length;
  return { n, text: 'x'.repeat(Math.max(0, bytes - bare)) + MARK };
}

/** The address of the n-th event: all addresses in turn, never two adjacent ones in succession. */
export function addressAt(n: number, addresses: number): number {
  return (n * 7_919) % addresses;
}

/** The frames of the bare servers, in Linefeed's format. */
export function encodeBareFrame(payload: Payload, event = 'news'): string {
  return encodeJsonFrame(JSON.stringify(payload), payload.n, event);
}

export function encodeJsonFrame(json: string, n: number, event = 'news'): string {
  return `event: ${event}\nid: 0123456789abcdef.${n.toString(36)}.${(n - 1).toString(36)}\ndata: ${json}\n\n`;
}

/** A proxy on loopback that simulates network faults on event streams: cuts, silence, refusals, bad gateways. */
import { connect, createServer, type Socket } from 'node:net';
import { once } from 'node:events';

/** The fault for event streams that are opened from now on. `bytes` is called for each of them. */
export type Fault =
  | { readonly type: 'none' }
  /** Reset after this number of bytes of the response. */
  | { readonly type: 'cut'; readonly bytes: () => number }
  /** Closed in order after this number of bytes, in the middle of the chunked body. */
  | { readonly type: 'truncate'; readonly bytes: () => number }
  /** Nothing passes after this number of bytes, and nothing closes. */
  | { readonly type: 'silence'; readonly bytes: () => number }
  /** Passes a few bytes at a time, then resets. */
  | { readonly type: 'trickle'; readonly bytes: () => number; readonly everyMs: number }
  /** Holds bytes until there are `holdBytes` or `holdMs` have passed, then resets. */
  | {
      readonly type: 'buffer';
      readonly bytes: () => number;
      readonly holdBytes: number;
      readonly holdMs: number;
    }
  /** A 502 of the proxy's own. */
  | { readonly type: 'bad-gateway' }
  /** The connection is reset before any answer. */
  | { readonly type: 'reset' };

export interface ChaosProxy {
  readonly origin: string;
  /** Event streams that were opened, refused ones included. */
  readonly opened: number;
  /** Number of event streams that were cut, silenced or refused so far. */
  readonly faults: number;
  /** A function is called for each event stream, with its path and query. */
  set(fault: Fault | ((url: string) => Fault)): void;
  /** The open event streams become silent: nothing more passes, and nothing closes. New ones are served. */
  silence(): void;
  /** Cuts the open event streams now. */
  cut(): void;
  close(): Promise<void>;
}

/** Maximum size of one write of a trickle. */
const DRIP_BYTES = 37;

/** Passes the bytes of one response to the client. */
interface Lane {
  silent: boolean;
  readonly pass: (chunk: Buffer) => void;
}

export async function startChaosProxy(upstreamPort: number): Promise<ChaosProxy> {
  let choose: (url: string) => Fault = () => ({ type: 'none' });
  let opened = 0;
  let faults = 0;
  const sockets = new Set<Socket>();
  const streams = new Map<Socket, Lane>();

  const server = createServer((client) => {
    const upstream = connect(upstreamPort, '127.0.0.1');
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.setNoDelay(true);
      // Errors of a peer that leaves are expected here.
      socket.on('error', () => undefined);
      socket.on('close', () => {
        sockets.delete(socket);
        streams.delete(client);
        (socket === client ? upstream : client).destroy();
      });
    }
    client.on('data', (chunk: Buffer) => {
      const [, url] = /^(?:GET|POST) (\/events\S*)/.exec(chunk.toString('latin1', 0, 2_048)) ?? [];
      if (url !== undefined) {
        opened += 1;
        const fault = choose(url);
        if (fault.type === 'bad-gateway') {
          faults += 1;
          client.end('HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\nconnection: close\r\n\r\n');
          return;
        }
        if (fault.type === 'reset') {
          faults += 1;
          client.resetAndDestroy();
          return;
        }
        streams.set(
          client,
          toLane(client, fault, () => (faults += 1)),
        );
      }
      upstream.write(chunk);
    });
    upstream.on('data', (chunk: Buffer) => {
      const lane = streams.get(client);
      if (lane === undefined) client.write(chunk);
      else if (!lane.silent) lane.pass(chunk);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('The proxy has no port.');

  return {
    origin: `http://127.0.0.1:${address.port}`,
    get opened() {
      return opened;
    },
    get faults() {
      return faults;
    },
    set: (next) => void (choose = typeof next === 'function' ? next : () => next),
    silence() {
      for (const state of streams.values()) state.silent = true;
    },
    cut() {
      for (const socket of streams.keys()) socket.resetAndDestroy();
    },
    async close() {
      server.close();
      for (const socket of sockets) socket.destroy();
      await once(server, 'close');
    },
  };
}

function toLane(
  client: Socket,
  fault: Exclude<Fault, { type: 'bad-gateway' | 'reset' }>,
  onFault: () => void,
): Lane {
  if (fault.type === 'none') return { silent: false, pass: (chunk) => void client.write(chunk) };
  /** Bytes that may still pass. */
  let left = fault.bytes();
  let held: Buffer[] = [];
  let timer: NodeJS.Timeout | undefined;
  const lane: Lane = {
    silent: false,
    pass(chunk) {
      const passing = chunk.subarray(0, left);
      left -= passing.byteLength;
      const isLast = left === 0;
      // No bytes after the fault pass, even if the connection stays open.
      if (isLast) lane.silent = true;
      if (fault.type === 'trickle' || fault.type === 'buffer') hold(passing);
      else client.write(passing, () => isLast && end());
    },
  };
  const end = (): void => {
    if (client.destroyed) return;
    onFault();
    if (fault.type === 'truncate') client.end();
    else if (fault.type !== 'silence') client.resetAndDestroy();
  };
  const hold = (chunk: Buffer): void => {
    held.push(chunk);
    if (fault.type === 'buffer' && size(held) >= fault.holdBytes) flush();
    timer ??= setTimeout(
      flush,
      fault.type === 'buffer' ? fault.holdMs : fault.type === 'trickle' ? fault.everyMs : 0,
    );
  };
  const flush = (): void => {
    clearTimeout(timer);
    timer = undefined;
    const all = Buffer.concat(held);
    const out = fault.type === 'trickle' ? all.subarray(0, DRIP_BYTES) : all;
    held = [];
    if (client.destroyed) return;
    if (out.byteLength < all.byteLength) hold(all.subarray(out.byteLength));
    const isLast = left === 0 && held.length === 0;
    client.write(out, () => isLast && end());
  };
  return lane;
}

function size(chunks: readonly Buffer[]): number {
  return chunks.reduce((sum, { byteLength }) => sum + byteLength, 0);
}

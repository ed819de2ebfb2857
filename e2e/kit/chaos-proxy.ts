/** A proxy on loopback that does to event streams what networks do: cuts, silence, refusals, bad gateways. */
import { connect, createServer, type Socket } from 'node:net';
import { once } from 'node:events';

/** What happens to the event streams that are opened from now on. */
export type Fault =
  | { readonly type: 'none' }
  /** Cut after so many bytes of the response; `bytes` is asked for each connection. */
  | { readonly type: 'cut'; readonly bytes: () => number }
  /** A 502 of the proxy's own. */
  | { readonly type: 'bad-gateway' }
  /** The connection is reset before anything is said. */
  | { readonly type: 'reset' };

export interface ChaosProxy {
  readonly origin: string;
  /** Event streams that were opened, refused ones included. */
  readonly opened: number;
  /** How many were cut or refused so far. */
  readonly faults: number;
  set(fault: Fault): void;
  /** The open event streams go silent: nothing more passes, and nothing closes. New ones are served. */
  silence(): void;
  /** Cuts the open event streams now. */
  cut(): void;
  close(): Promise<void>;
}

export async function startChaosProxy(upstreamPort: number): Promise<ChaosProxy> {
  let fault: Fault = { type: 'none' };
  let opened = 0;
  let faults = 0;
  const sockets = new Set<Socket>();
  const streams = new Map<Socket, { silent: boolean }>();

  const server = createServer((client) => {
    const upstream = connect(upstreamPort, '127.0.0.1');
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      // A peer that goes away is what this is about.
      socket.on('error', () => undefined);
      socket.on('close', () => {
        sockets.delete(socket);
        streams.delete(client);
        (socket === client ? upstream : client).destroy();
      });
    }
    /** Bytes that may still pass downstream; undefined while no event stream runs here. */
    let left: number | undefined;
    client.on('data', (chunk: Buffer) => {
      if (/^(GET|POST) \/events/.test(chunk.toString('latin1', 0, 16))) {
        opened += 1;
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
        left = fault.type === 'cut' ? fault.bytes() : Infinity;
        streams.set(client, { silent: false });
      }
      upstream.write(chunk);
    });
    upstream.on('data', (chunk: Buffer) => {
      if (streams.get(client)?.silent === true) return;
      if (left === undefined || chunk.byteLength < left) {
        if (left !== undefined) left -= chunk.byteLength;
        client.write(chunk);
        return;
      }
      faults += 1;
      client.write(chunk.subarray(0, left), () => client.resetAndDestroy());
      left = Infinity;
      streams.set(client, { silent: true });
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
    set: (next) => void (fault = next),
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

/** A TCP relay in front of a server: cuts, delays and silences its connections. */
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';

type Direction = 'toServer' | 'toClient';

export interface Relay {
  readonly port: number;
  /** Number of open connections through the relay. */
  readonly connections: number;
  /** Resets (RST) every open connection. New ones pass. */
  cut(): void;
  /** Leads new connections to another server, and resets the open ones: an address that moves. */
  moveTo(target: { readonly port: number }): void;
  /**
   * Drops the bytes of one or both directions from now on, of new connections too, and closes nothing: no FIN, no RST.
   * Default: both directions. Connections that lost bytes stay silent after `pass`: they would continue in the middle.
   */
  blackHole(direction?: Direction): void;
  /** Makes every open connection half-open: it loses all bytes from now on, and gets no FIN or RST. New ones pass. */
  halfOpen(): void;
  /** Resets each open connection instead of passing on its next answer of the server. New ones pass. */
  loseAnswers(): void;
  /** Resets new connections, and the open ones. */
  refuse(): void;
  /** Holds each chunk for this time. */
  delay(ms: number, direction?: Direction): void;
  /** Passes everything again. */
  pass(): void;
  close(): Promise<void>;
}

interface Lane {
  readonly client: Socket;
  readonly server: Socket;
  /** Directions that have lost bytes. */
  readonly lost: Set<Direction>;
  /** The next bytes of the server are lost, and the connection is reset. */
  losesAnswer: boolean;
  /** Neither end learns of the end of the other. */
  isHalfOpen: boolean;
}

export async function startRelay(target: number | { readonly port: number }): Promise<Relay> {
  let targetPort = typeof target === 'number' ? target : target.port;
  const lanes = new Set<Lane>();
  const timers = new Set<NodeJS.Timeout>();
  let dropped = new Set<Direction>();
  let isRefusing = false;
  const delays: Record<Direction, number> = { toServer: 0, toClient: 0 };

  const resetLane = (lane: Lane): void => {
    lane.client.resetAndDestroy();
    lane.server.resetAndDestroy();
    lanes.delete(lane);
  };
  const forward = (lane: Lane, direction: Direction, chunk: Buffer): void => {
    if (lane.losesAnswer && direction === 'toClient') return resetLane(lane);
    const to = direction === 'toServer' ? lane.server : lane.client;
    const write = (): void => {
      if (dropped.has(direction)) lane.lost.add(direction);
      if (!lane.lost.has(direction) && !to.destroyed) to.write(chunk);
    };
    if (delays[direction] === 0) return write();
    // Equal delays keep the order; timers of one duration are first in, first out.
    const timer = setTimeout(() => {
      timers.delete(timer);
      write();
    }, delays[direction]);
    timers.add(timer);
  };
  const both = (direction?: Direction): Direction[] =>
    direction === undefined ? ['toServer', 'toClient'] : [direction];

  const listener = createServer({ allowHalfOpen: false }, (client) => {
    client.on('error', () => undefined);
    if (isRefusing) {
      client.resetAndDestroy();
      return;
    }
    const server = connect(targetPort, '127.0.0.1');
    const lane: Lane = { client, server, lost: new Set(), losesAnswer: false, isHalfOpen: false };
    lanes.add(lane);
    for (const socket of [client, server]) {
      socket.setNoDelay(true);
      socket.on('error', () => undefined);
    }
    client.on('data', (chunk) => forward(lane, 'toServer', chunk));
    server.on('data', (chunk) => forward(lane, 'toClient', chunk));
    // Through a black hole the other side does not learn of an end.
    client.on('close', () => {
      if (!dropped.has('toServer') && !lane.isHalfOpen) server.destroy();
      if (server.destroyed) lanes.delete(lane);
    });
    server.on('close', () => {
      if (!dropped.has('toClient') && !lane.isHalfOpen) client.destroy();
      if (client.destroyed) lanes.delete(lane);
    });
  });
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const { port } = listener.address() as { port: number };

  const reset = (): void => {
    for (const lane of lanes) resetLane(lane);
  };
  return {
    port,
    get connections() {
      return [...lanes].filter(({ client }) => !client.destroyed).length;
    },
    cut: reset,
    moveTo({ port: next }) {
      targetPort = next;
      reset();
    },
    blackHole: (direction) => void (dropped = new Set([...dropped, ...both(direction)])),
    halfOpen() {
      for (const lane of lanes) {
        lane.isHalfOpen = true;
        for (const direction of both()) lane.lost.add(direction);
      }
    },
    loseAnswers() {
      for (const lane of lanes) lane.losesAnswer = true;
    },
    refuse() {
      isRefusing = true;
      reset();
    },
    delay(ms, direction) {
      for (const each of both(direction)) delays[each] = ms;
    },
    pass() {
      dropped = new Set();
      isRefusing = false;
      delays.toServer = 0;
      delays.toClient = 0;
      for (const { client, server } of lanes) {
        if (client.destroyed) server.destroy();
        if (server.destroyed) client.destroy();
      }
    },
    async close() {
      const closed = once(listener, 'close');
      listener.close();
      reset();
      for (const timer of timers) clearTimeout(timer);
      await closed;
    },
  };
}

/**
 * The floors of a replay: bytes that are encoded and chunked in advance, or page by page, written as the socket takes
 * them.
 */
import { createServer } from 'node:http';
import { encodeJsonFrame, makePayload, type Contender, type ContenderOptions } from '../lib/contender.ts';
import { chunkOf, listen } from '../lib/listen.ts';

/** As many events in a chunk as in a page of Linefeed's replay. */
const PAGE = 500;

export async function start({ bytes, ...options }: ContenderOptions): Promise<Contender> {
  const events = Number(options['events']);
  /** Encodes the bytes for each client, from JSON, as a log holds it. */
  const encodes = options['encodes'] === true;
  /** Reads the client's cursor, and sends hello frames to it, as a feed has to. */
  const answers = options['answers'] === true;
  const payloads = Array.from({ length: events }, (_, n) => JSON.stringify(makePayload(n, bytes)));
  const pages = Math.ceil(events / PAGE);
  const encode = (page: number, first = page * PAGE): Buffer => {
    const frames = payloads.slice(first, first + PAGE).map((json, k) => encodeJsonFrame(json, first + k));
    return chunkOf(frames.join(''));
  };
  const encoded = encodes ? undefined : Array.from({ length: pages }, (_, page) => encode(page));
  let open = 0;
  const server = createServer((req, res) => {
    res.writeHead(200, { 'content-type': 'text/event-stream' });
    res.flushHeaders();
    open += 1;
    res.on('close', () => (open -= 1));
    const socket = res.socket!;
    let next = 0;
    if (answers) {
      const [epoch, position = ''] = String(req.headers['last-event-id']).split('.');
      next = Math.floor(Number.parseInt(position, 36) / PAGE);
      socket.write(
        chunkOf(greet(crypto.randomUUID(), new URL(req.url!, 'http://localhost').pathname, epoch)),
      );
    }
    const write = (): void => {
      while (next < pages) {
        next += 1;
        if (!socket.write(encoded?.[next - 1] ?? encode(next - 1))) {
          socket.once('drain', write);
          return;
        }
      }
    };
    write();
  });
  return {
    port: await listen(server),
    request: { method: 'GET', path: '/news', lastEventId: '0123456789abcdef.0' },
    subscribers: () => open,
    publish: () => undefined,
  };
}

function greet(connection: string, path: string, epoch = ''): string {
  const hello = JSON.stringify({ protocol: 1, connection, pingMs: 15_000, timeoutMs: 35_000 });
  const subscribed = JSON.stringify({ address: path.slice(1), event: path.slice(1), cursor: `${epoch}.0` });
  return `retry: 1000\nevent: hello\ndata: ${hello}\n\nevent: subscribed\ndata: ${subscribed}\n\n`;
}

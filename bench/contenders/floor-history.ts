/** The floor of a replay: the same bytes, encoded and chunked before, written as the socket takes them. */
import { createServer } from 'node:http';
import { encodeJsonFrame, makePayload, type Contender, type ContenderOptions } from '../lib/contender.ts';
import { chunkOf, listen } from '../lib/listen.ts';

/** As many events in a chunk as in a page of Linefeed's replay. */
const PAGE = 500;

export async function start({ bytes, ...options }: ContenderOptions): Promise<Contender> {
  const events = Number(options['events']);
  const payloads = Array.from({ length: events }, (_, n) => JSON.stringify(makePayload(n, bytes)));
  const pages = Math.ceil(events / PAGE);
  const encode = (page: number): Buffer => {
    const first = page * PAGE;
    const frames = payloads.slice(first, first + PAGE).map((json, k) => encodeJsonFrame(json, first + k));
    return chunkOf(frames.join(''));
  };
  const encoded =
    options['encodes'] === true ? undefined : Array.from({ length: pages }, (_, page) => encode(page));
  let open = 0;
  const server = createServer((req, res) => {
    res.writeHead(200, { 'content-type': 'text/event-stream' });
    res.flushHeaders();
    open += 1;
    res.on('close', () => (open -= 1));
    const socket = res.socket!;
    let next = 0;
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
    request: { method: 'GET', path: '/' },
    subscribers: () => open,
    publish: () => undefined,
    actions: { cursor: () => undefined },
  };
}

/** The server of the tables: sends a row's answers, and records its requests. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { PARSING } from './parsing.ts';
import type { Answer, Chunking, ParsingRow } from './table.ts';

/** One request for a stream. */
export interface Asked {
  readonly method: string;
  readonly atMs: number;
  readonly url: URL;
  readonly headers: IncomingMessage['headers'];
  /** `Last-Event-ID` as UTF-8. */
  readonly lastEventId: string | undefined;
  /** The client left before the response was over. */
  left: boolean;
}

/** A row's answers under a separate path. */
export interface Script {
  readonly origin: string;
  readonly path: string;
  readonly asked: Asked[];
}

export interface ConformanceServer {
  readonly origin: string;
  /** The same server under another origin. */
  readonly otherOrigin: string;
  readonly play: (answers: readonly Answer[]) => Script;
  /** The same on a separate port that refuses connections for `refusedMs` after the first response. */
  readonly playRefusing: (answers: readonly Answer[], refusedMs: number) => Promise<Script>;
  readonly close: () => Promise<void>;
}

// Nagle is off, so each write is a packet. Packets this far apart are read separately.
const BETWEEN_CHUNKS_MS = 4;
const SIGN_OF_LIFE_MS = 100;
/** Maximum number of pieces of a row's bytes: a long row would take too long otherwise. */
const MAX_PIECES = 64;

export async function startConformanceServer(bundle: string): Promise<ConformanceServer> {
  const script = readFileSync(bundle);
  const plays = new Map<
    string,
    { answers: readonly Answer[]; asked: Asked[]; next: number; untilMs: number }
  >();

  const onRequest = (req: IncomingMessage, res: ServerResponse): void => {
    // On a reused connection, engines repeat a request by themselves.
    res.shouldKeepAlive = false;
    const url = new URL(req.url ?? '', 'http://server');
    const [, kind, name, chunking] = url.pathname.split('/');
    if (kind === 'parse')
      return void parse(res, PARSING[Number(name)]!, chunking?.replace('-', ' ') as Chunking);
    if (kind === 'play') return play(url, req, res);
    if (kind === 'app.js') return void res.setHeader('content-type', 'text/javascript').end(script);
    res.setHeader('content-type', 'text/html; charset=utf-8');
    res.end(
      kind === '' ? '<!doctype html><title>engines</title><script type="module" src="/app.js"></script>' : '',
    );
  };

  const parse = async (res: ServerResponse, row: ParsingRow, chunking: Chunking): Promise<void> => {
    res.writeHead(200, { 'content-type': row.contentType ?? 'text/event-stream' });
    if (res.req.method === 'HEAD') return void res.end();
    res.flushHeaders();
    await write(res, toChunks(row, chunking));
    if (row.open !== true) res.end();
  };

  const play = (url: URL, req: IncomingMessage, res: ServerResponse): void => {
    const current = plays.get(url.pathname)!;
    const { 'last-event-id': lastEventId } = req.headers;
    const asked: Asked = {
      method: req.method ?? '',
      atMs: performance.now(),
      url,
      headers: req.headers,
      lastEventId:
        lastEventId === undefined ? undefined : Buffer.from(String(lastEventId), 'latin1').toString(),
      left: false,
    };
    res.on('close', () => (asked.left = !res.writableFinished));
    current.asked.push(asked);
    const probed = current.answers[Math.max(0, current.next - 1)]!;
    if (asked.method !== 'GET')
      return void answer(res, { ...probed, body: [], after: probed.after === 'reset' ? 'reset' : 'end' });
    if (asked.atMs > current.untilMs) {
      current.next = Math.min(current.next + 1, current.answers.length);
      current.untilMs = asked.atMs + (current.answers[current.next - 1]!.forMs ?? 0);
    }
    void answer(res, current.answers[current.next - 1]!);
  };

  const register = (answers: readonly Answer[], origin: string): Script => {
    const path = `/play/${plays.size}`;
    const asked: Asked[] = [];
    plays.set(path, { answers, asked, next: 0, untilMs: -1 });
    return { origin, path, asked };
  };

  const servers = [createServer(onRequest), createServer(onRequest)] as const;
  const started: Server[] = [...servers];
  const origins = await Promise.all(servers.map(listen));
  return {
    origin: origins[0]!,
    otherOrigin: origins[1]!,
    play: (answers) => register(answers, origins[0]!),
    async playRefusing(answers, refusedMs) {
      const server = createServer((req, res) => {
        // Not the origin of the page.
        res.setHeader('access-control-allow-origin', '*');
        onRequest(req, res);
      });
      started.push(server);
      const script = register(answers, await listen(server));
      server.once('request', (_, res: ServerResponse) =>
        res.once('close', () => {
          server.close();
          setTimeout(() => server.listen(Number(new URL(script.origin).port), '127.0.0.1'), refusedMs);
        }),
      );
      return script;
    },
    async close() {
      for (const server of started) {
        server.close();
        server.closeAllConnections();
      }
    },
  };
}

async function answer(
  res: ServerResponse,
  { status = 200, contentType = 'text/event-stream', headers, body = [], after = 'hold' }: Answer,
): Promise<void> {
  if (after === 'mute') return;
  if (after === 'reset' && body.length === 0) return void res.socket?.resetAndDestroy();
  res.writeHead(status, { ...(contentType !== null && { 'content-type': contentType }), ...headers });
  if (status === 204 || status === 205) return void res.end();
  res.flushHeaders();
  await write(res, body);
  if (after === 'end') res.end();
  else if (after === 'truncate') res.socket?.end();
  else if (after === 'reset') {
    // A reset discards bytes that were not read yet.
    await pause(100);
    res.socket?.resetAndDestroy();
  } else if (after !== 'hold') {
    const life = after === 'ping' ? 'event: linefeed.ping\ndata: {}\n\n' : ':\n\n';
    const timer = setInterval(() => res.write(life), SIGN_OF_LIFE_MS);
    res.on('close', () => clearInterval(timer));
  }
}

async function write(res: ServerResponse, chunks: ReadonlyArray<string | Uint8Array>): Promise<void> {
  for (const chunk of chunks) {
    if (res.destroyed) return;
    if (chunk.length > 0) res.write(chunk);
    await pause(BETWEEN_CHUNKS_MS);
  }
}

function toChunks({ body }: ParsingRow, chunking: Chunking): ReadonlyArray<string | Uint8Array> {
  if (chunking === 'as given') return body;
  const whole = Buffer.concat(body.map((chunk) => Buffer.from(chunk)));
  if (chunking === 'whole') return [whole];
  const size = Math.ceil(whole.byteLength / MAX_PIECES) || 1;
  return Array.from({ length: Math.ceil(whole.byteLength / size) }, (_, index) =>
    whole.subarray(index * size, (index + 1) * size),
  );
}

async function listen(server: Server): Promise<string> {
  server.on('connection', (socket) => socket.setNoDelay(true));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Shared by the small routes: reading a JSON body, answering with JSON. */
import type { IncomingMessage, ServerResponse } from 'node:http';

export type Handler = (req: IncomingMessage, res: ServerResponse, next: () => void) => void;

const maxBodyBytes = 4_096;

/** The path of a request, without its query. */
export function pathOf(req: IncomingMessage): string {
  return (req.url ?? '/').split('?', 1)[0] ?? '/';
}

export function queryOf(req: IncomingMessage): URLSearchParams {
  return new URLSearchParams((req.url ?? '').split('?').slice(1).join('?'));
}

export function sendJson(res: ServerResponse, status: number, body: object): void {
  res.writeHead(status, { 'content-type': 'application/json; charset=utf-8', 'cache-control': 'no-store' });
  res.end(JSON.stringify(body));
}

/** Reads a JSON body. For an invalid one it answers 415, 413 or 400 itself and returns `undefined`. */
export async function readJson(req: IncomingMessage, res: ServerResponse): Promise<unknown> {
  // A page of another origin can post text to localhost without a preflight, but not this type.
  if (!req.headers['content-type']?.startsWith('application/json')) {
    sendJson(res, 415, { message: 'Send application/json.' });
    return undefined;
  }
  let text = '';
  for await (const chunk of req.setEncoding('utf8')) {
    text += chunk;
    if (text.length > maxBodyBytes) {
      sendJson(res, 413, { message: `The body is longer than ${maxBodyBytes} characters.` });
      return undefined;
    }
  }
  try {
    return JSON.parse(text);
  } catch {
    sendJson(res, 400, { message: 'The body is not JSON.' });
    return undefined;
  }
}

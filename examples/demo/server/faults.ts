/**
 * Breaks the connections of one visitor at its own request. Runs before the feed; its routes answer on loopback only.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { z } from 'zod';
import { pathOf, queryOf, readJson, sendJson, type Handler } from './http.ts';

/** A tab with a private connection, or all tabs of a browser that share one. */
interface Visitor {
  readonly responses: Set<ServerResponse>;
  refusedUntil: number;
  leaving: NodeJS.Timeout | undefined;
}

export interface FaultsOptions {
  notice(text: string, level?: 'info' | 'warn'): void;
  /** Has this process killed and started again. */
  restart(): void;
}

/** The body of the routes for one visitor. */
const Ask = z.object({ visitor: z.string() });

const refuseMs = 5_000;
/** A visitor that has been away for this long has left. */
const awayMs = 45_000;
const maxVisitors = 1_000;

export function createFaults({ notice, restart }: FaultsOptions): Handler {
  const visitors = new Map<string, Visitor>();

  const routes: Record<string, (visitor: Visitor) => void> = {
    '/faults/cut'(visitor) {
      notice('A visitor cut its own connection.', 'warn');
      cut(visitor);
    },
    '/faults/502'(visitor) {
      notice('A visitor asked for five seconds of 502.', 'warn');
      visitor.refusedUntil = Date.now() + refuseMs;
      cut(visitor);
    },
    '/faults/silence'(visitor) {
      notice('A visitor asked its connection to go silent.', 'warn');
      // A corked socket accepts writes and sends none of them; it stays open and is still read.
      for (const response of visitor.responses) response.socket?.cork();
    },
  };

  return async (req, res, next) => {
    const path = pathOf(req);
    if (path === '/events' || path.startsWith('/events/')) {
      const id = queryOf(req).get('visitor');
      if (id !== null && /^[a-z0-9]{1,16}$/.test(id)) {
        const visitor = enter(id);
        if (visitor !== undefined) {
          if (Date.now() < visitor.refusedUntil) {
            res.writeHead(502, { 'content-type': 'text/plain', 'cache-control': 'no-store' });
            res.end('Bad Gateway, as you asked.\n');
            return;
          }
          follow(id, visitor, res);
        }
      }
      return next();
    }
    if (!path.startsWith('/faults/')) return next();
    if (!isLoopback(req)) {
      sendJson(res, 403, { message: 'Faults can be asked for only from the machine the server runs on.' });
      return;
    }
    const fault = routes[path];
    if (req.method !== 'POST' || (fault === undefined && path !== '/faults/restart')) {
      sendJson(res, 404, { message: `There is no ${req.method} ${path}.` });
      return;
    }
    const body = await readJson(req, res).catch(() => undefined);
    if (body === undefined) return;
    if (fault === undefined) {
      res.on('finish', restart);
      sendJson(res, 202, {});
      return;
    }
    const visitor = visitors.get(Ask.safeParse(body).data?.visitor ?? '');
    if (visitor === undefined) {
      sendJson(res, 409, { message: 'You have no connection to break right now.' });
      return;
    }
    sendJson(res, 202, {});
    fault(visitor);
  };

  function enter(id: string): Visitor | undefined {
    const known = visitors.get(id);
    if (known !== undefined) return known;
    if (visitors.size >= maxVisitors) return undefined;
    const visitor: Visitor = { responses: new Set(), refusedUntil: 0, leaving: undefined };
    visitors.set(id, visitor);
    notice(`A visitor arrived. ${sayPresent(visitors.size)}`);
    return visitor;
  }

  function follow(id: string, visitor: Visitor, res: ServerResponse): void {
    clearTimeout(visitor.leaving);
    visitor.responses.add(res);
    res.on('close', () => {
      visitor.responses.delete(res);
      if (visitor.responses.size > 0) return;
      clearTimeout(visitor.leaving);
      visitor.leaving = setTimeout(() => {
        visitors.delete(id);
        notice(`A visitor left. ${sayPresent(visitors.size)}`);
      }, awayMs).unref();
    });
  }
}

function cut(visitor: Visitor): void {
  for (const response of visitor.responses) response.socket?.destroy();
}

function sayPresent(count: number): string {
  return count === 1
    ? 'One is here.'
    : `${count === 0 ? 'Nobody' : count} ${count === 0 ? 'is' : 'are'} here.`;
}

function isLoopback(req: IncomingMessage): boolean {
  // With a reverse proxy in front, every visitor has a loopback address.
  if (req.headers['x-forwarded-for'] !== undefined || req.headers['forwarded'] !== undefined) return false;
  const address = req.socket.remoteAddress ?? '';
  return address === '::1' || /^(::ffff:)?127\./.test(address);
}

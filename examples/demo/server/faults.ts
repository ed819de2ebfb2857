/** Breaks the connections of one tab on its own request. Sits before the feed; its routes answer on loopback only. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { z } from 'zod';
import { pathOf, queryOf, readJson, sendJson, type Handler } from './http.ts';

interface Tab {
  readonly responses: Set<ServerResponse>;
  refusedUntil: number;
  leaving: NodeJS.Timeout | undefined;
}

export interface FaultsOptions {
  notice(text: string, level?: 'info' | 'warn'): void;
  /** Has this process killed and started again. */
  restart(): void;
}

/** What the routes for one tab take. */
const Ask = z.object({ tab: z.string() });

const refuseMs = 5_000;
/** A tab that has been away for so long has left. */
const awayMs = 45_000;
const maxTabs = 1_000;

export function createFaults({ notice, restart }: FaultsOptions): Handler {
  const tabs = new Map<string, Tab>();

  const routes: Record<string, (tab: Tab) => void> = {
    '/faults/cut'(tab) {
      notice('A tab cut its own connection.', 'warn');
      cut(tab);
    },
    '/faults/502'(tab) {
      notice('A tab asked for five seconds of 502.', 'warn');
      tab.refusedUntil = Date.now() + refuseMs;
      cut(tab);
    },
    '/faults/silence'(tab) {
      notice('A tab asked its connection to go silent.', 'warn');
      // Corked, a socket takes what is written and sends none of it; it stays open and is still read.
      for (const response of tab.responses) response.socket?.cork();
    },
  };

  return async (req, res, next) => {
    const path = pathOf(req);
    if (path === '/events' || path.startsWith('/events/')) {
      const id = queryOf(req).get('tab');
      if (id !== null && /^[a-z0-9]{1,16}$/.test(id)) {
        const tab = enter(id);
        if (tab !== undefined) {
          if (Date.now() < tab.refusedUntil) {
            res.writeHead(502, { 'content-type': 'text/plain', 'cache-control': 'no-store' });
            res.end('Bad Gateway, as you asked.\n');
            return;
          }
          follow(id, tab, res);
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
    const tab = tabs.get(Ask.safeParse(body).data?.tab ?? '');
    if (tab === undefined) {
      sendJson(res, 409, { message: 'This tab has no connection to break right now.' });
      return;
    }
    sendJson(res, 202, {});
    fault(tab);
  };

  function enter(id: string): Tab | undefined {
    const known = tabs.get(id);
    if (known !== undefined) return known;
    if (tabs.size >= maxTabs) return undefined;
    const tab: Tab = { responses: new Set(), refusedUntil: 0, leaving: undefined };
    tabs.set(id, tab);
    notice(`A visitor arrived. ${openTabs(tabs.size)}`);
    return tab;
  }

  function follow(id: string, tab: Tab, res: ServerResponse): void {
    clearTimeout(tab.leaving);
    tab.responses.add(res);
    res.on('close', () => {
      tab.responses.delete(res);
      if (tab.responses.size > 0) return;
      clearTimeout(tab.leaving);
      tab.leaving = setTimeout(() => {
        tabs.delete(id);
        notice(`A visitor left. ${openTabs(tabs.size)}`);
      }, awayMs).unref();
    });
  }
}

function cut(tab: Tab): void {
  for (const response of tab.responses) response.socket?.destroy();
}

function openTabs(count: number): string {
  return count === 1 ? 'One tab is open.' : `${count === 0 ? 'No' : count} tabs are open.`;
}

function isLoopback(req: IncomingMessage): boolean {
  // Behind a reverse proxy every visitor has a loopback address.
  if (req.headers['x-forwarded-for'] !== undefined || req.headers['forwarded'] !== undefined) return false;
  const address = req.socket.remoteAddress ?? '';
  return address === '::1' || /^(::ffff:)?127\./.test(address);
}

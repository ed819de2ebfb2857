/** A feed of Linefeed as a contender, on Node's http server. */
import { createServer } from 'node:http';
import type { RequestTarget } from '@linefeed/server';
import { toNodeHandler } from '@linefeed/server/node';
import type { Contender } from './contender.ts';
import { listen } from './listen.ts';

interface BenchedFeed extends RequestTarget {
  stats(): { readonly connections: number };
}

/** Serves a feed to clients that request `path`. */
export async function serveFeed(
  feed: BenchedFeed,
  path: string,
  publish: Contender['publish'],
): Promise<Contender> {
  return {
    port: await listen(createServer(toNodeHandler(feed))),
    request: { method: 'GET', path },
    subscribers: () => feed.stats().connections,
    publish,
  };
}

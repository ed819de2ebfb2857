/** Parses a request in any of its forms: path, query or body (PROTOCOL §1). */
import { refusal } from '@linefeed/shared/wire';
import type { HttpRequest } from '../http/http.ts';
import { maxTextLength } from '../publish/address.ts';
import type { BodyReader } from './body.ts';
import { readEndpointGet, readGet } from './parse-get.ts';
import { readPost, type PostRequest } from './parse-post.ts';
import type { Mount } from './route.ts';
import { MAX_NAMES_FACTOR, type SubscribeRequest } from './subscribe-request.ts';

export interface ParserOptions {
  readonly mount: Mount;
  readonly maxSubscriptions: number;
  readonly maxAddressBytes: number;
  readonly readBody: BodyReader;
}

/**
 * `path`: the part of the path after the feed's path.
 *
 * @throws LinefeedError (as a rejection) `bad_request`, `too_many_subscriptions`, `payload_too_large`, `timeout`
 */
export type Parse = (request: HttpRequest, path: string) => Promise<PostRequest>;

export function createParser({ mount, maxSubscriptions, maxAddressBytes, readBody }: ParserOptions): Parse {
  const bounds = {
    maxNames: MAX_NAMES_FACTOR * maxSubscriptions,
    maxTextLength: maxTextLength(maxAddressBytes),
  };
  return async (request, path) => {
    if (request.method === 'POST') return readPost(await readBody(request), bounds);
    return 'topic' in mount ? readEndpointGet(request, mount.topic, bounds) : readGet(request, path, bounds);
  };
}

/** @throws LinefeedError `bad_request` */
export function assertNamesTopic({ entries }: SubscribeRequest, method: string): void {
  if (entries.length > 0) return;
  const hint =
    method === 'POST'
      ? ''
      : ' If a client sent this as a POST, a redirect (301, 302, 303) turned it into a GET: give the client the URL that the redirect leads to.';
  throw refusal('bad_request', `Name at least one topic: …/<address> or ?topic=<address>.${hint}`);
}

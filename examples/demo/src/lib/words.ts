/** States and reasons of the connection in plain words. */
import type { LineState } from './line.ts';
import type { Carrier, ConnectionSnapshot } from './link.ts';
import { toDuration } from './format.ts';

export const stateWords: Record<LineState, string> = {
  idle: 'Idle',
  connecting: 'Connecting',
  connected: 'Connected',
  reconnecting: 'Reconnecting',
  suspended: 'Suspended',
  closed: 'Closed',
  failed: 'Failed',
};

const reasonWords: Partial<Record<ConnectionSnapshot['reason'], string>> = {
  new: 'Nothing is subscribed yet.',
  subscribed: 'Opening the first connection.',
  changed: 'The list of subscriptions changed.',
  hello: 'The server accepted the connection.',
  retry: 'Trying again.',
  finished: 'The server has ended the stream.',
  asked: 'Requested on this page.',
  hidden: 'The page was hidden.',
  queue: 'A handler is slow. Reading continues when it is done.',
  page: 'The page is visible again: reconnecting now.',
  lifetime: 'The server asked for a reconnect: this connection reached its maximum age.',
  drain: 'The server is stopping and asked for a reconnect.',
  network: 'The connection broke.',
  silence: 'No bytes arrived in time: the connection counts as dead.',
};

/** The cause of the connection's state, as a sentence or two. */
export function toWhy(
  { state, reason, error, attempt, retryInMs, connectionCount }: ConnectionSnapshot,
  carrier: Carrier,
): string {
  if (state === 'connected' && connectionCount > 1)
    return 'The server accepted a new connection. It resumes from the cursor.';
  const wait = !retryInMs ? '' : ` Trying again in ${toDuration(retryInMs)}.`;
  if (reason === 'retry') return `Attempt ${attempt}.`;
  if (error?.status !== undefined)
    return `The server answered ${error.status}.${toExcerpt(error.body)}${wait}`;
  if (reason === 'drain' && carrier === 'shared')
    return `Another tab leads now, or the server is stopping.${wait}`;
  return (reasonWords[reason] ?? error?.message ?? `${reason}.`) + wait;
}

/** The message of an answer that is a JSON problem document, if it is one. */
function toExcerpt(body: string | undefined): string {
  const message = /"message":\s*"([^"]+)"/.exec(body ?? '')?.[1];
  return message === undefined ? '' : ` Message: “${message}”`;
}

/** The native transport: the browser's EventSource, with its own reconnects disabled. */
import { LinefeedError } from '@linefeed/shared';
import { FRAME } from '@linefeed/shared/wire';
import { soon } from '../base/clock.ts';
import { networkError, send, toEnding, toOpeningUrl, toRequestError } from './request.ts';
import type { Ending, Transport } from './transport.ts';

/** The options of `eventSourceTransport`. */
export interface EventSourceTransportOptions {
  /**
   * The class to use.
   *
   * @default the global `EventSource`
   */
  EventSource?: typeof EventSource | undefined;
}

// Half of Node's limit for the whole head, and nginx's limit for a request line.
const MAX_URL_LENGTH = 8_000;

/**
 * Streams over `EventSource`: events are visible in the browser's tools, and no request needs a CORS preflight. It has
 * no headers, no POST and no status. If a connection fails before `hello`, one HEAD request reads the status.
 *
 * @example
 *   import { createClient, eventSourceTransport } from '@linefeed/client';
 *   import type { board } from './channel.ts';
 *
 *   const client = createClient<typeof board>({ url: '/events', transport: eventSourceTransport() });
 *
 * @param options The class to use
 * @returns A value for the option `transport`
 */
export function eventSourceTransport(options: EventSourceTransportOptions = {}): Transport {
  return (opening, sink) => {
    const controller = new AbortController();
    const { signal } = controller;
    const { entries, openOnly } = opening;
    let url = toOpeningUrl(opening);
    if (openOnly) {
      let count = entries.length;
      while (url.length > MAX_URL_LENGTH && count > 1) {
        count = Math.min(count - 1, Math.ceil((count * MAX_URL_LENGTH) / url.length));
        url = toOpeningUrl({ ...opening, entries: entries.slice(0, count) });
      }
      openOnly(count);
    }
    let source: EventSource | undefined;
    let greeted = false;

    const end = (ending: Ending) => {
      if (signal.aborted) return;
      close();
      sink.onEnd(ending);
    };
    const close = () => {
      controller.abort();
      source?.close();
    };
    const onFrame = ({ type, data, lastEventId }: MessageEvent<string>) => {
      if (signal.aborted) return;
      // The browser has reconnected silently, as it may after the back-forward cache. Its request did not use the
      // client's cursor.
      if (type === FRAME.hello && greeted)
        return end({ error: networkError('The browser reconnected by itself.') });
      greeted ||= type === FRAME.hello;
      sink.onLife();
      sink.onFrame(type, data, lastEventId);
      // EventSource cannot pause reading. End the response.
      if (sink.full() !== undefined) end({ full: true });
    };
    const listen = (event: string) => source?.addEventListener(event, onFrame as EventListener);
    // The client does all retries. Firefox gives up after one refused connection, every engine after one status that is
    // not 200.
    const onError = () => {
      source?.close();
      if (greeted) return end({ error: networkError('The connection was lost.') });
      send(opening, url, undefined, signal, 'HEAD')
        .then((response) => toEnding(response))
        .then(
          (ending) => end(ending ?? { error: networkError('The connection ended before hello.') }),
          (cause: unknown) => end({ error: toRequestError(cause) }),
        );
    };
    const refuse = (fault: string, cause?: unknown) =>
      soon(() => end({ error: new LinefeedError('invalid_option', fault, { cause }) }));
    const { EventSource = globalThis.EventSource } = options;
    const fault = opening.headers
      ? 'EventSource sends no headers: use fetchTransport(), cookies, or a token in the url.'
      : url.length > MAX_URL_LENGTH
        ? `The url is longer than ${MAX_URL_LENGTH} (${url.length}): use fetchTransport().`
        : EventSource
          ? undefined
          : 'There is no EventSource here: use fetchTransport(), or the option EventSource.';
    if (fault) refuse(fault);
    else {
      try {
        source = new EventSource(url, { withCredentials: opening.credentials === 'include' });
      } catch (cause) {
        refuse(`EventSource refuses ${url}: ${String(cause)}`, cause);
      }
      for (const name of Object.values(FRAME)) listen(name);
      // A server can send an event named `error`, which is not a failure of the connection.
      source?.addEventListener('error', (event) => 'data' in event || onError());
    }
    return { close, listen, framesOnly: true };
  };
}

/** The default transport: a streaming fetch with the event stream parser. */
import { LinefeedError } from '@linefeed/shared';
import { invalidOption } from '@linefeed/shared/wire';
import { createEventStreamParser } from './event-stream-parser.ts';
import { needs, networkError, send, toEnding, toOpeningUrl, toRequestError } from './request.ts';
import type { Ending, Transport } from './transport.ts';

export interface FetchTransportOptions {
  /** Longest accepted frame, in UTF-16 code units. A longer one fails the connection. Default: 4 Mi. */
  maxFrameLength?: number | undefined;
}

// Some proxies and servers refuse a longer request line.
const MAX_GET_LENGTH = 2_000;
const NO_STREAM =
  'This fetch does not stream: give another fetch as an option, or use eventSourceTransport().';

/**
 * Streams over `fetch`: headers, status codes and long subscription lists work. Every byte shows that the connection is
 * alive.
 */
export function fetchTransport({ maxFrameLength = 2 ** 22 }: FetchTransportOptions = {}): Transport {
  return (opening, sink) => {
    const controller = new AbortController();
    const { signal } = controller;

    const read = async (): Promise<Ending> => {
      const { entries: topics, cursor } = opening;
      const url = toOpeningUrl(opening);
      const { fetch, Headers, TextDecoder } = globalThis;
      needs({ fetch: opening.fetch ?? fetch, Headers, TextDecoder });
      const response = await (url.length > MAX_GET_LENGTH
        ? send(opening, opening.url, { topics, last_event_id: cursor }, signal)
        : send(opening, url, undefined, signal));
      const refusal = await toEnding(response);
      if (refusal) return refusal;
      const parse = createEventStreamParser(sink, maxFrameLength);
      if (!response.body) throw invalidOption(NO_STREAM);
      const reader = response.body.getReader();
      for (;;) {
        const { done, value } = await reader.read();
        if (done || signal.aborted) return { error: networkError('The response ended.') };
        sink.onLife();
        if (!parse(value)) {
          return {
            error: new LinefeedError('protocol', `A frame is longer than ${maxFrameLength} characters.`),
          };
        }
        await sink.full();
      }
    };

    void read()
      .catch((cause: unknown) => ({ error: toRequestError(cause) }))
      .then((ending) => {
        if (signal.aborted) return;
        controller.abort();
        sink.onEnd(ending);
      });
    return { close: () => controller.abort() };
  };
}

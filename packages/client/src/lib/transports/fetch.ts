/** The default transport: a streaming fetch through the event stream parser. */
import { LinefeedError } from '@linefeed/shared';
import { createEventStreamParser } from '../event-stream-parser.ts';
import { networkError, send, toEnding, toOpeningUrl } from '../request.ts';
import type { Ending, Transport } from '../transport.ts';

export interface FetchTransportOptions {
  /** Longest frame that is accepted, in UTF-16 code units; a longer one fails the connection. Default: 4 Mi. */
  maxFrameLength?: number | undefined;
}

// Some proxies and servers refuse a longer request line.
const MAX_GET_LENGTH = 2_000;

/** Streams over `fetch`: headers, status codes and long subscription lists work, and every byte is a sign of life. */
export function fetchTransport({ maxFrameLength = 2 ** 22 }: FetchTransportOptions = {}): Transport {
  return (opening, sink) => {
    const controller = new AbortController();
    const { signal } = controller;

    const read = async (): Promise<Ending> => {
      const url = toOpeningUrl(opening);
      const response = await (url.length <= MAX_GET_LENGTH
        ? send(opening, url, { signal })
        : send(opening, opening.url, {
            signal,
            method: 'POST',
            body: JSON.stringify({ topics: opening.entries, last_event_id: opening.cursor }),
          }));
      const refusal = await toEnding(response);
      if (refusal !== undefined) return refusal;
      const parse = createEventStreamParser({
        maxFrameLength,
        onFrame(event, data, id) {
          if (!signal.aborted) sink.onFrame(event, data, id);
        },
        onRetry: sink.onRetry,
      });
      const reader = response.body!.getReader();
      for (;;) {
        const { done, value } = await reader.read();
        if (done) return { error: networkError('The response ended.') };
        if (signal.aborted) return {};
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
      .catch((cause: unknown) => ({ error: networkError(`The request failed: ${String(cause)}`, cause) }))
      .then((ending) => {
        if (signal.aborted) return;
        controller.abort();
        sink.onEnd(ending);
      });
    return { close: () => controller.abort() };
  };
}

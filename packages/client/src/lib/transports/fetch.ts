/** The default transport: a streaming fetch through eventsource-parser. */
import { LinefeedError } from '@linefeed/shared';
import { createParser } from 'eventsource-parser';
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
    let tooLong = false;

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
      const parser = createParser({
        maxBufferSize: maxFrameLength,
        onEvent({ event = 'message', data, id = '' }) {
          tooLong ||= data.length > maxFrameLength;
          if (!tooLong && !signal.aborted) sink.onFrame(event, data, id);
        },
        onRetry: (retryMs) => sink.onRetry(retryMs),
        onError({ type }) {
          tooLong ||= type === 'max-buffer-size-exceeded';
        },
      });
      // The parser takes one BOM away by itself (WHATWG HTML §9.2.5); a second one is a field name.
      const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
      const reader = response.body!.getReader();
      for (;;) {
        const { done, value } = await reader.read();
        if (done) return { error: networkError('The response ended.') };
        if (signal.aborted) return {};
        sink.onLife();
        parser.feed(decoder.decode(value, { stream: true }));
        if (tooLong) {
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

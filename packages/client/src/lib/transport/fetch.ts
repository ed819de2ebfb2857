/** The default transport: a streaming fetch, decoded and read by eventsource-parser. */
import { LinefeedError } from '@linefeed/shared';
import { invalidOption } from '@linefeed/shared/wire';
import { createParser } from 'eventsource-parser';
import { networkError, send, toEnding, toOpeningUrl, toRequestError } from './request.ts';
import type { Ending, Transport, TransportSink } from './transport.ts';

/** The options of `fetchTransport`. */
export interface FetchTransportOptions {
  /**
   * Longest accepted frame, in UTF-16 code units. A longer one fails the connection. Comments and unknown fields do not
   * count: they are skipped.
   *
   * @default 4 Mi
   */
  maxFrameLength?: number | undefined;
}

// Some proxies and servers refuse a longer request line.
const MAX_GET_LENGTH = 2_000;
const NO_STREAM = 'This fetch does not stream: use another one, or eventSourceTransport().';

/**
 * Streams over `fetch`: headers, status codes and long subscription lists work. Every byte shows that the connection is
 * alive.
 *
 * @example
 *   import { createClient, fetchTransport } from '@linefeed/client';
 *   import type { board } from './channel.ts';
 *
 *   const transport = fetchTransport({ maxFrameLength: 2 ** 20 });
 *   const client = createClient<typeof board>({ url: '/events', transport });
 *
 * @param options The bound of a frame
 * @returns A value for the option `transport`
 */
export function fetchTransport({ maxFrameLength = 2 ** 22 }: FetchTransportOptions = {}): Transport {
  return (opening, sink) => {
    const controller = new AbortController();
    const { signal } = controller;

    const read = async (): Promise<Ending> => {
      const { entries: topics, cursor } = opening;
      const url = toOpeningUrl(opening);
      const body = url.length > MAX_GET_LENGTH ? { topics, last_event_id: cursor } : undefined;
      const response = await send(opening, body ? opening.url : url, body, signal);
      const refusal = await toEnding(response);
      if (refusal) return refusal;
      if (!response.body) throw invalidOption(NO_STREAM);
      const reader = response.body.getReader();
      const parse = createChunkParser(sink, maxFrameLength);
      for (;;) {
        const { done, value } = await reader.read();
        if (done || signal.aborted) return { error: networkError('The response ended.') };
        sink.onLife();
        parse(value);
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

/**
 * Parses one stream. Chunks may be cut at any byte.
 *
 * @throws LinefeedError `protocol` for a frame longer than `maxFrameLength`. The stream cannot be read further.
 */
function createChunkParser(sink: TransportSink, maxFrameLength: number): (chunk: Uint8Array) => void {
  let lastId = '';
  const refuse = () => {
    throw new LinefeedError('protocol', `A frame is longer than ${maxFrameLength} characters.`);
  };
  const parser = createParser({
    maxBufferSize: maxFrameLength,
    onEvent({ event = 'message', data }) {
      // `maxBufferSize` limits what waits for more text, not a frame that is complete in one chunk.
      if (data.length > maxFrameLength) refuse();
      sink.onFrame(event, data, lastId);
    },
    onId: (id) => (lastId = id),
    onRetry: (retryMs) => sink.onRetry(retryMs),
    // No `onError`: the parser would make an error with a stack for each unknown field, which costs 40 times the line.
  });
  // Node's decoder removes a second byte order mark if the first one is cut between chunks.
  const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
  let mark = '\uFEFF';
  // The parser would also remove the text `ï»¿`. It looks for a mark only at its first character.
  parser.feed(mark);
  return (chunk) => {
    const text = decoder.decode(chunk, { stream: true });
    // The chunk ends within its first character.
    if (!text) return;
    parser.feed(text[0] === mark ? text.slice(1) : text);
    mark = '';
    try {
      parser.feed('');
    } catch {
      // Past the limit, the parser drops the rest of a text and throws at the next one.
      refuse();
    }
  };
}

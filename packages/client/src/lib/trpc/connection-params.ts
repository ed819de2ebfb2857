/** tRPC's connection params: evaluated for each request and sent in its URL. */
import { networkError } from '../transport/request.ts';
import type { Transport, TransportConnection } from '../transport/transport.ts';

/** An object of strings, or a function that returns one. */
export type ConnectionParams =
  | Readonly<Record<string, string>>
  | null
  | (() => Readonly<Record<string, string>> | null | Promise<Readonly<Record<string, string>> | null>);

/**
 * Returns a transport and a fetch that add the params to their URLs. The transport is for openings, the fetch for
 * control requests.
 */
export function withConnectionParams(
  given: ConnectionParams | undefined,
  fetch: typeof globalThis.fetch | undefined,
): {
  readonly transport: (transport: Transport) => Transport;
  readonly fetch: typeof globalThis.fetch | undefined;
} {
  if (given === undefined) return { transport: (transport) => transport, fetch };
  const addTo = async (url: string): Promise<string> => {
    const params = typeof given === 'function' ? await given() : given;
    return `${url}${url.includes('?') ? '&' : '?'}connectionParams=${encodeURIComponent(JSON.stringify(params))}`;
  };

  return {
    transport: (transport) => (opening, sink) => {
      let connection: TransportConnection | undefined;
      let closed = false;
      addTo(opening.url).then(
        (url) => {
          if (!closed) connection = transport({ ...opening, url, fetch }, sink);
        },
        (cause: unknown) => {
          if (!closed)
            sink.onEnd({ error: networkError(`connectionParams failed: ${String(cause)}`, cause) });
        },
      );
      return {
        close() {
          closed = true;
          connection?.close();
        },
        listen: (event) => connection?.listen?.(event),
      };
    },
    // The client calls `fetch` only with a URL as text.
    fetch: async (input, init) => (fetch ?? globalThis.fetch)(await addTo(input as string), init),
  };
}

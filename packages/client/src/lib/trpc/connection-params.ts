/** tRPC's connection params: asked for anew for each request, sent in its URL. */
import { networkError } from '../request.ts';
import type { Transport, TransportConnection } from '../transport.ts';

type Params = Readonly<Record<string, string>> | null;

/** An object of strings, or what makes one. */
export type ConnectionParams = Params | (() => Params | Promise<Params>);

/** A transport and a fetch that add the params to their URLs: one for openings, the other for what follows them. */
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
    // Only ever called with a URL as text.
    fetch: async (input, init) => (fetch ?? globalThis.fetch)(await addTo(input as string), init),
  };
}

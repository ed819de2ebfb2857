/** Detects an endpoint that is served by tRPC's own handler, and reports it once. */
import { LinefeedError } from '@linefeed/shared';
import type { Ending, Transport, TransportConnection } from '../transport/transport.ts';

/** First frame of tRPC's own event streams. */
const STOCK_FRAME = 'connected';
/** tRPC's error envelope contains a JSON-RPC error number. */
const STOCK_ERROR = /^\s*\[?\s*\{\s*"error"\s*:.*"code"\s*:\s*-32\d{3}\b/s;

/** Wraps a transport: it fails permanently if tRPC's own handler answers. */
export function refuseStockEndpoint(transport: Transport): Transport {
  return (opening, sink) => {
    const refusal = (): Ending => ({
      error: new LinefeedError(
        'protocol',
        `${opening.url} is served by tRPC's own handler, which linefeedLink cannot read: serve the router with fromRouter() of @linefeed/server/trpc and give its url.`,
        { retryable: false },
      ),
    });
    let greeted = false;
    let over = false;
    const connection: TransportConnection = transport(opening, {
      ...sink,
      onFrame(event, data, id) {
        if (over) return;
        if (!greeted && event === STOCK_FRAME) {
          over = true;
          connection.close();
          return sink.onEnd(refusal());
        }
        greeted = true;
        sink.onFrame(event, data, id);
      },
      onEnd(ending) {
        if (!over) sink.onEnd(STOCK_ERROR.test(ending.error?.body ?? '') ? refusal() : ending);
      },
    });
    return connection;
  };
}

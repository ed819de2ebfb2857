/** Converts the errors of a subscription to tRPC's client errors. */
import { TRPCClientError } from '@trpc/client';
import type { AnyTRPCRouter, TRPCCombinedDataTransformer } from '@trpc/server';
import type { LinefeedError } from '@linefeed/shared';

/**
 * Returns the router's own error with its shape and data, if there is one. Otherwise the message, with the cause and
 * its status.
 */
export function toClientError<Router extends AnyTRPCRouter>(
  error: LinefeedError,
  transformer: TRPCCombinedDataTransformer,
): TRPCClientError<Router> {
  const { code, status, detail } = error;
  if (detail === undefined) return TRPCClientError.from(error, { meta: { code, status } });
  return TRPCClientError.from({ error: transformer.output.deserialize(detail) }, { cause: error });
}

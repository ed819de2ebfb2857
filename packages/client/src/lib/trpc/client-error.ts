/** Errors of a subscription as tRPC's clients know them. */
import { TRPCClientError } from '@trpc/client';
import type { AnyTRPCRouter, TRPCCombinedDataTransformer } from '@trpc/server';
import type { LinefeedError } from '@linefeed/shared';

/** The router's own error where there is one, with shape and data; else the message, with the cause and its status. */
export function toClientError<Router extends AnyTRPCRouter>(
  error: LinefeedError,
  transformer: TRPCCombinedDataTransformer,
): TRPCClientError<Router> {
  // What gave up after many tries says why in its cause.
  const { detail } = error.cause instanceof Error && 'detail' in error.cause ? error.cause : error;
  if (detail === undefined)
    return TRPCClientError.from(error, { meta: { code: error.code, status: error.status } });
  return TRPCClientError.from({ error: transformer.output.deserialize(detail) }, { cause: error });
}

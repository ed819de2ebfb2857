/** Errors of a subscription as tRPC's clients know them. */
import { TRPCClientError } from '@trpc/client';
import type { AnyTRPCRouter, TRPCCombinedDataTransformer } from '@trpc/server';
import type { LinefeedError } from '@linefeed/shared';

/** The router's own error where there is one, with shape and data; else the message, with the cause and its status. */
export function toClientError<Router extends AnyTRPCRouter>(
  error: LinefeedError,
  transformer: TRPCCombinedDataTransformer,
): TRPCClientError<Router> {
  const { code, status, detail } = error;
  if (detail === undefined) return TRPCClientError.from(error, { meta: { code, status } });
  return TRPCClientError.from({ error: transformer.output.deserialize(detail) }, { cause: error });
}

/**
 * One run of a tRPC subscription: its context, its input, its events as JSON, its errors as the router formats them.
 */
import {
  callTRPCProcedure,
  getTRPCErrorFromUnknown,
  isTrackedEnvelope,
  TRPCError,
  type AnyTRPCProcedure,
  type AnyTRPCRouter,
  type inferRouterContext,
} from '@trpc/server';
import { getHTTPStatusCodeFromError, type TRPCRequestInfo } from '@trpc/server/http';
import { isObservable, observableToAsyncIterable } from '@trpc/server/observable';
import { getErrorShape } from '@trpc/server/shared';
import type { ErrorCode } from '@linefeed/shared';
import { isRetryableStatus } from '@linefeed/shared/wire';
import type { SourceContent } from '../base/source.ts';
import { DescribedFailure, EncodedYield, type StreamContext } from '../stream/run-stream.ts';
import { acceptsInput, createInput, type Input } from './procedure-input.ts';

/** The request that caused a subscription. */
export interface Caller {
  readonly request: Request;
  readonly url: URL;
  readonly connectionParams: TRPCRequestInfo['connectionParams'];
}

/**
 * Argument of `createContext`. It is called once for each subscription, and again each time the subscription resumes.
 */
export interface SubscriptionContextOptions {
  /** The request that opened the connection, or that added this subscription to it. It has no body. */
  readonly req: Request;
  /** Describes one call: the subscription. */
  readonly info: TRPCRequestInfo;
  /** Id of the last tracked event that the client has, if it resumes. */
  readonly lastEventId: string | undefined;
}

/** Handler for errors, with the arguments that tRPC's own handlers pass. */
export type ProcedureErrorHandler<Router extends AnyTRPCRouter> = (options: {
  readonly error: TRPCError;
  readonly type: 'subscription';
  readonly path: string;
  readonly input: unknown;
  readonly ctx: inferRouterContext<Router> | undefined;
  readonly req: Request;
}) => void;

export interface ProcedureRunOptions {
  readonly router: AnyTRPCRouter;
  readonly createContext: ((options: SubscriptionContextOptions) => unknown) | undefined;
  readonly onError: ProcedureErrorHandler<AnyTRPCRouter> | undefined;
}

/** Calls a procedure and returns its events. Failures are thrown as a `DescribedFailure`, except after an abort. */
export async function runProcedure(
  { router, createContext, onError }: ProcedureRunOptions,
  path: string,
  { params, context, lastEventId, signal }: StreamContext<unknown, unknown>,
): Promise<SourceContent> {
  const caller = context as Caller;
  const config = router._def._config;
  let ctx: unknown;
  let input: Input | undefined;

  const describe = (cause: unknown): DescribedFailure => {
    const error = getTRPCErrorFromUnknown(cause);
    const read = input?.result();
    onError?.({ error, type: 'subscription', path, input: read, ctx, req: caller.request });
    const shape: unknown = getErrorShape({ config, error, type: 'subscription', path, input: read, ctx });
    const status = getHTTPStatusCodeFromError(error);
    return new DescribedFailure(
      {
        code: toCode(status),
        message: messageOf(shape) ?? error.code,
        retryable: isRetryableStatus(status),
        detail: config.transformer.output.serialize(shape),
      },
      error,
    );
  };

  try {
    const procedure = await findProcedure(router, path);
    input = createInput((params as { input?: string }).input, config.transformer);
    const call = { path, getRawInput: input.read, result: input.result, procedure, batchIndex: 0 };
    const info: TRPCRequestInfo = {
      accept: null,
      type: 'subscription',
      isBatchCall: false,
      calls: [call],
      connectionParams: caller.connectionParams,
      signal,
      url: caller.url,
    };
    ctx = createContext === undefined ? {} : await createContext({ req: caller.request, info, lastEventId });
    const output = await callTRPCProcedure({
      router,
      path,
      type: 'subscription',
      ctx,
      getRawInput: readResumed(input, procedure, lastEventId),
      signal,
      batchIndex: 0,
    });
    return encodeYields(
      toIterable(output, path, signal),
      config.transformer.output.serialize,
      signal,
      describe,
    );
  } catch (error) {
    throw signal.aborted ? error : describe(error);
  }
}

/**
 * The input as the procedure reads it. The procedure's parsers run only at that read: `createContext` and the
 * middlewares before them must accept the call first.
 */
function readResumed(
  input: Input,
  procedure: AnyTRPCProcedure | null,
  lastEventId: string | undefined,
): Input['read'] {
  if (lastEventId === undefined || procedure?._def.type !== 'subscription') return input.read;
  let resuming: Promise<void> | undefined;
  const resume = async (): Promise<void> => {
    if (await acceptsInput(procedure, await input.resumed(lastEventId))) input.resume(lastEventId);
  };
  return async () => {
    await (resuming ??= resume());
    return input.read();
  };
}

async function findProcedure(router: AnyTRPCRouter, path: string): Promise<AnyTRPCProcedure | null> {
  const { procedures, lazy } = router._def;
  for (;;) {
    const found = (procedures as Record<string, AnyTRPCProcedure>)[path];
    if (found !== undefined) return found;
    const loader = Object.entries(lazy ?? {}).find(
      ([key]) => path === key || path.startsWith(`${key}.`),
    )?.[1];
    if (loader === undefined) return null;
    await loader.load();
  }
}

function toIterable(output: unknown, path: string, signal: AbortSignal): AsyncIterable<unknown> {
  if (isObservable(output)) return observableToAsyncIterable(output, signal);
  if (typeof output === 'object' && output !== null && Symbol.asyncIterator in output) {
    return output as AsyncIterable<unknown>;
  }
  throw new TRPCError({
    code: 'INTERNAL_SERVER_ERROR',
    message: `Subscription ${path} did not return an observable or a AsyncGenerator`,
  });
}

/** Encodes each yield as JSON. Not a generator: that would delay `return()` until its pending yield arrives. */
function encodeYields(
  content: AsyncIterable<unknown>,
  serialize: (value: unknown) => unknown,
  signal: AbortSignal,
  describe: (cause: unknown) => DescribedFailure,
): AsyncIterable<EncodedYield> {
  return {
    [Symbol.asyncIterator]() {
      const iterator = content[Symbol.asyncIterator]();
      return {
        async next() {
          try {
            const step = await iterator.next();
            return step.done === true
              ? { done: true, value: undefined }
              : { value: encodeYield(step.value, serialize) };
          } catch (cause) {
            // An error after the signal aborted ends the run, and is not a failure.
            throw signal.aborted ? cause : describe(cause);
          }
        },
        async return() {
          await iterator.return?.();
          return { done: true, value: undefined };
        },
      };
    },
  };
}

/** The payload is the value for tRPC's `onData`. For a tracked event, it includes the id. */
function encodeYield(value: unknown, serialize: (value: unknown) => unknown): EncodedYield {
  const tracked = isTrackedEnvelope(value);
  const data = tracked ? { id: value[0], data: value[1] } : value;
  const json: string | undefined = JSON.stringify(serialize(data));
  // JSON has no undefined.
  return new EncodedYield(json ?? 'null', tracked ? value[0] : undefined);
}

const CODES: Readonly<Record<number, ErrorCode>> = {
  400: 'bad_request',
  401: 'unauthorized',
  403: 'forbidden',
  404: 'not_found',
  408: 'timeout',
};

function toCode(status: number): ErrorCode {
  return CODES[status] ?? 'source_failed';
}

function messageOf(shape: unknown): string | undefined {
  const { message } = (shape ?? {}) as { message?: unknown };
  return typeof message === 'string' ? message : undefined;
}

/** One subscription of a feed's tRPC router: its session, its authorization and its events. */
import { tracked, TRPCError } from '@trpc/server';
import type { TopicDefinition } from '@linefeed/shared';
import { LinefeedError, type ResolvedParams } from '@linefeed/shared/wire';
import { readVerdict } from '../request/authorize.ts';
import { checkAddressSize } from '../publish/address.ts';
import { captureScope, type AsyncScope } from '../base/async-scope.ts';
import { toReportedRefusal } from '../http/http.ts';
import { followLog, refuseGap } from '../delivery/feed-subscription.ts';
import { encodePayload } from '../publish/publisher.ts';
import { untilAborted } from '../base/promise.ts';
import { pullSource } from '../base/source.ts';
import { readYield } from '../stream/run-stream.ts';
import { randomId } from '../base/random-id.ts';
import type { FeedCore } from '../feed/feed.ts';

export interface TopicRequest extends ResolvedParams {
  readonly lastEventId: string | undefined;
}

export interface TopicSubscription extends TopicRequest {
  readonly topic: string;
  readonly definition: TopicDefinition;
  readonly signal: AbortSignal | undefined;
}

/** Abort reason of a session whose receiver left. The receiver gets no error. */
const LEFT = Symbol('left');

/** Makes `return()` end the subscription immediately. A plain generator waits until its pending await settles. */
export function subscribe(
  core: FeedCore,
  subscription: TopicSubscription,
  readContext: () => Promise<unknown>,
  ignoreGaps: boolean,
): AsyncGenerator<unknown, void, void> {
  const session = new AbortController();
  // `disconnect` and the heartbeat abort the session from another async context.
  const scope = captureScope();
  const events = serve(core, subscription, readContext, ignoreGaps, session, scope);
  const end = events.return.bind(events);
  events.return = (value) => {
    scope.run(() => session.abort(LEFT));
    return end(value);
  };
  return events;
}

async function* serve(
  core: FeedCore,
  subscription: TopicSubscription,
  readContext: () => Promise<unknown>,
  ignoreGaps: boolean,
  session: AbortController,
  scope: AsyncScope,
): AsyncGenerator<unknown, void, void> {
  const { topic, definition, params, address, lastEventId, signal } = subscription;
  const leave = (): void => scope.run(() => session.abort());
  if (signal?.aborted === true) leave();
  signal?.addEventListener('abort', leave, { once: true });
  let release = leave;
  const assertOpen = (): void => {
    // On this error, tRPC's client reconnects by itself, and `createContext` runs again.
    if (session.signal.aborted && signal?.aborted !== true && session.signal.reason !== LEFT) {
      throw new TRPCError({ code: 'SERVICE_UNAVAILABLE', message: 'The session has ended; reconnect.' });
    }
  };
  try {
    checkAddressSize(address, core.limits.maxAddressBytes);
    const { authorize } = core.serving;
    const context = await untilAborted(session.signal, readContext());
    const registered = {
      id: randomId(),
      context,
      ...core.readSession(context),
      eventNames: () => [address],
      end: leave,
    };
    release = core.sessions.add(registered);
    // Checked at each delivery, because the heartbeat may be late, for example after a suspend.
    const assertLive = (): void => {
      if (registered.expiry.isOver) leave();
      assertOpen();
    };
    assertOpen();
    const isAllowed =
      authorize === undefined ||
      readVerdict(
        authorize,
        await untilAborted(
          session.signal,
          authorize({ context, topic, params, address, action: 'subscribe' }),
        ),
        (error) => core.onError(error),
      );
    if (!isAllowed) {
      throw new TRPCError({ code: 'FORBIDDEN', message: `Not allowed to subscribe to ${topic}.` });
    }
    assertLive();
    if (definition.kind === 'stream') {
      for await (const event of runStream(core, subscription, context, session.signal)) {
        assertLive();
        yield event;
      }
    } else {
      const isLatest = definition.keep === 'latest';
      // The last event id comes from the client: a malformed one is a gap, not an invalid option of this server.
      const onGap = ignoreGaps ? () => undefined : refuseGap;
      const options = { from: lastEventId, signal: session.signal, onGap, isLatest };
      for await (const { data, cursor } of followLog(core.hub, address, options)) {
        assertLive();
        yield tracked(cursor, data);
      }
    }
    assertOpen();
  } catch (error) {
    if (signal?.aborted === true || session.signal.reason === LEFT) return;
    // The abort ended a pending wait.
    if (error === session.signal.reason) assertOpen();
    throw toTrpcError(error, (failure) => core.onError(failure));
  } finally {
    signal?.removeEventListener('abort', leave);
    release();
    // Aborts the session, so that a source that still waits ends.
    leave();
  }
}

async function* runStream(
  core: FeedCore,
  { topic, definition, params, lastEventId }: TopicSubscription,
  context: unknown,
  signal: AbortSignal,
): AsyncGenerator<unknown, void, void> {
  const source = core.serving.sources.get(topic)!;
  const values = pullSource({
    open: (ended) => source({ params, context, lastEventId, signal: ended }),
    signal,
    clock: core.clock,
    onCleanupError: (error) => core.onError(error),
  });
  for await (const value of values) {
    const { data, id } = readYield(topic, value);
    const encoding = encodePayload(topic, definition, data, core.limits.maxPayloadBytes);
    const payload: unknown = JSON.parse(await untilAborted(signal, encoding));
    yield id === undefined ? payload : tracked(id, payload);
  }
}

const CODES: Readonly<Record<number, TRPCError['code']>> = {
  400: 'BAD_REQUEST',
  401: 'UNAUTHORIZED',
  403: 'FORBIDDEN',
  404: 'NOT_FOUND',
  409: 'CONFLICT',
  413: 'PAYLOAD_TOO_LARGE',
  429: 'TOO_MANY_REQUESTS',
  503: 'SERVICE_UNAVAILABLE',
};

function toTrpcError(error: unknown, onError: (error: unknown) => void): unknown {
  if (error instanceof TRPCError) return error;
  if (LinefeedError.is(error) && error.code === 'hole') {
    return new TRPCError({ code: 'CONFLICT', message: error.message, cause: error });
  }
  const { status = 500, message } = toReportedRefusal(error, onError);
  return new TRPCError({ code: CODES[status] ?? 'INTERNAL_SERVER_ERROR', message, cause: error });
}

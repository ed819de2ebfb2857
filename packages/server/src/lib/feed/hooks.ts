/** Calls the hooks that the user passes to a feed. */
import { createReporter } from '../base/report.ts';
import type { Connection } from '../connection/connection.ts';
import type { Identity } from '../request/identify.ts';
import type { FeedHandlers } from './feed.ts';
import type { ConnectionInfo, FeedHooks } from './option-types.ts';

export function toInfo(connection: Identity): ConnectionInfo {
  const { id, context, principal } = connection;
  return {
    id,
    context,
    principal,
    // A getter: most hooks never read it, and a connection may have hundreds of events.
    get events() {
      return [...(connection.eventNames?.() ?? [])];
    },
  };
}

/**
 * Wraps the user's hooks: an exception in a hook must not break the connection. Hooks are called in a microtask. Called
 * directly, a hook that disconnects, publishes or closes the feed would re-enter a state change in progress. The async
 * context is that of the request that opened the connection, not of the caller that publishes or disconnects.
 */
export function toHandlers(hooks: FeedHooks<unknown>): FeedHandlers {
  const onError = createReporter(hooks.onError);
  const later = ({ scope }: Connection, call: () => void): void => {
    const guarded = (): void => {
      try {
        call();
      } catch (error) {
        onError(error);
      }
    };
    queueMicrotask(/* seam: hook-after-transition */ () => scope.run(guarded));
  };
  return {
    onError,
    onOpen: (connection) => hooks.onOpen && later(connection, () => hooks.onOpen?.(toInfo(connection))),
    onClose: (connection, reason) =>
      hooks.onClose && later(connection, () => hooks.onClose?.(toInfo(connection), reason)),
    onSubscribe: (connection, address) =>
      hooks.onSubscribe &&
      later(connection, () => {
        // An earlier hook may have ended the connection.
        if (!connection.closed) hooks.onSubscribe?.(toInfo(connection), address);
      }),
    onGap: (connection, gap) =>
      hooks.onGap && later(connection, () => hooks.onGap?.(toInfo(connection), gap)),
  };
}

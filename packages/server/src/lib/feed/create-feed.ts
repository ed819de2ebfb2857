/** Composition root of a feed: the typed interface, the core, the default log, the fetch adapter. */
import type { AnyChannel, StreamName } from '@linefeed/shared';
import { formatCursor, invalidOption, LinefeedError } from '@linefeed/shared/wire';
import { toIncomingRequest, toResponse } from '../adapters/fetch.ts';
import { systemClock } from '../base/clock.ts';
import { RESPOND, notFound, type HttpResponse, type HttpRequest } from '../http/http.ts';
import type { Connection } from '../connection/connection.ts';
import { FeedCore, type FeedCoreOptions, type FeedHandlers } from './feed.ts';
import {
  checkChannel,
  checkCloseOptions,
  checkFeedOptions,
  checkSubscribeOptions,
  type UntypedFeedOptions,
} from './options.ts';
import {
  CORE,
  type CloseOptions,
  type ConnectionInfo,
  type Feed,
  type FeedHooks,
  type FeedOptions,
  type FeedStats,
} from './types.ts';
import { followLog, type FollowOptions } from '../delivery/follow.ts';
import { resolveLimits } from '../base/limits.ts';
import type { Log } from '../log/log.ts';
import { memoryLog } from '../log/memory-log.ts';
import { checkCorsOptions } from '../http/origin.ts';
import { createReporter, nodeEnv, warn } from '../base/report.ts';
import type { UntypedSource } from '../stream/run-stream.ts';
import type { Identity } from '../request/identify.ts';

const DEFAULT_PATH = '/events';

interface UntypedSubscribeOptions extends FollowOptions {
  readonly params?: unknown;
}

/** Number of open feeds per channel. Two in one process are usually caused by a dev server's reload. */
const openFeeds = new WeakMap<AnyChannel, number>();

/** Only a channel without streams can omit the options. */
type ChannelWithoutStreams<C extends AnyChannel> = [StreamName<C>] extends [never]
  ? C
  : { readonly 'its streams need sources: createFeed(channel, { streams: { ... } })': never };

/**
 * Opens the server end of a channel without streams. Everything in the channel is public.
 *
 * @param channel The result of `defineChannel`
 * @throws LinefeedError `invalid_option` for a value that is no channel
 */
export function createFeed<C extends AnyChannel>(channel: C & ChannelWithoutStreams<C>): Feed<C, undefined>;
/**
 * Opens the server end of a channel. One feed of a channel in each process is enough.
 *
 * @example
 *   import { createFeed, memoryLog } from '@linefeed/server';
 *   import { toNodeHandler } from '@linefeed/server/node';
 *   import { createServer } from 'node:http';
 *   import { board } from './channel.ts';
 *
 *   const feed = createFeed(board, {
 *     context: (request) => ({ principal: request.headers.get('x-user') ?? undefined }),
 *     authorize: ({ context, topic }) => topic === 'notice' || context.principal !== undefined,
 *     log: memoryLog({ maxEvents: 100_000 }),
 *     streams: {
 *       async *report({ params }) {
 *         yield { step: params.year };
 *       },
 *     },
 *   });
 *   createServer(toNodeHandler(feed)).listen(4600);
 *   await feed.publish('notice', { text: 'hello', level: 'info' });
 *
 * @param channel The result of `defineChannel`
 * @param options `streams` is required if the channel has streams. Without `authorize` everything is public.
 * @throws LinefeedError `invalid_option` for an unknown option, an invalid value, or a stream without a source
 */
export function createFeed<C extends AnyChannel, Context = undefined>(
  channel: C,
  options: FeedOptions<C, Context>,
): Feed<C, Context>;
export function createFeed<C extends AnyChannel, Context>(
  channel: C,
  options: Partial<FeedOptions<C, Context>> = {},
): Feed<C, Context> {
  checkChannel(channel);
  checkFeedOptions(options);
  const path = options.path ?? DEFAULT_PATH;
  if (!/^(\/[^/?#]+)+$/.test(path)) {
    throw new LinefeedError('invalid_option', `path must be like "/events", not ${JSON.stringify(path)}.`);
  }
  const feed = openFeed(channel, { path }, options as unknown as UntypedFeedOptions, () => forget(channel));
  // After the calls that may throw: a feed that was not created must not count as open.
  warnIfOpen(channel);
  return feed as unknown as Feed<C, Context>;
}

/** Shared by `createFeed` and `defineStream`. */
export function openFeed(
  channel: AnyChannel,
  mount: FeedCoreOptions['mount'],
  options: UntypedFeedOptions,
  onClosed: () => void,
): Feed<AnyChannel> {
  checkCorsOptions(options.cors);
  checkLog(options.log);
  checkSources(options.sources);
  const ownLog = options.log === undefined;
  const log = options.log ?? memoryLog({ clock: options.clock });
  const own =
    options.sources === undefined ? readSources(channel, options.streams) : new Map<string, UntypedSource>();
  const core = new FeedCore({
    channel,
    mount,
    identify: options.context,
    authorize: options.authorize,
    // Not copied: the sources of a router are looked up on each request.
    sources: options.sources ?? own,
    contextPerRequest: options.contextPerRequest,
    log,
    cors: options.cors,
    hosts: options.hosts,
    limits: resolveLimits(options),
    clock: options.clock ?? systemClock,
    handlers: toHandlers(options),
  });
  // The sources of a router are procedures: the router's own middlewares authorise them.
  const isPublic = 'path' in mount && !options.authorize && !options.sources;
  const answer = (request: HttpRequest): Promise<HttpResponse | undefined> => {
    // Warns at the first request: a build also creates feeds, but serves no request.
    if (isPublic) warnIfPublic(channel, mount.path);
    return core.answer(request);
  };
  let closing: Promise<void> | undefined;
  const feed = {
    channel,
    [CORE]: core,
    [RESPOND]: answer,
    async handle(request: Request) {
      checkRequest(request);
      const answered = await answer(toIncomingRequest(request));
      return toResponse(answered ?? notFound(new URL(request.url).pathname), request.signal);
    },
    async publish(topic: string, ...rest: unknown[]) {
      const { epoch, position, duplicate } = await core.publisher.publish(topic, rest);
      return { cursor: formatCursor(/* seam: epoch-of-append */ epoch, position), duplicate };
    },
    cursor: () => core.hub.cursor,
    subscribe(topic: string, options: UntypedSubscribeOptions = {}) {
      checkSubscribeOptions(options);
      const { params, ...from } = options;
      return followLog(core.hub, core.publisher.addressOf(topic, params), {
        ...from,
        isLatest: channel.topics.get(topic)?.keep === 'latest',
      });
    },
    setStreams(streams: UntypedFeedOptions['streams']) {
      for (const [topic, source] of readSources(channel, streams)) own.set(topic, source);
    },
    disconnect(predicate: (connection: ConnectionInfo) => boolean) {
      if (typeof predicate !== 'function') {
        throw invalidOption(`disconnect takes a function of a connection, not ${typeof predicate}.`);
      }
      return core.disconnect((connection) => predicate(toInfo(connection)));
    },
    stats: () => readStats(core),
    async close(options: CloseOptions = {}) {
      checkCloseOptions(options);
      const { graceMs = 0 } = options;
      closing ??= core.close(graceMs).then(async () => {
        if (ownLog) await log.close?.();
        onClosed();
      });
      await closing;
    },
  } satisfies Record<keyof Feed<AnyChannel>, unknown>;
  return feed as Feed<AnyChannel>;
}

function warnIfOpen(channel: AnyChannel): void {
  const open = openFeeds.get(channel) ?? 0;
  openFeeds.set(channel, open + 1);
  if (open === 0) return;
  warn(
    'a second feed of the same channel is open in this process. What one publishes, subscribers of the other get only through a shared log; keep one feed on globalThis across reloads, and give it the new sources by feed.setStreams.',
  );
}

/** Paths already warned about, by channel. A dev server's reload creates a new feed and must not repeat the warning. */
const warnedPaths = new WeakMap<AnyChannel, Set<string>>();

function warnIfPublic(channel: AnyChannel, path: string): void {
  if (nodeEnv() === 'test') return;
  const paths = warnedPaths.get(channel) ?? new Set();
  if (paths.has(path)) return;
  warnedPaths.set(channel, paths.add(path));
  warn(
    `the feed at ${path} has no \`authorize\`: everybody who reaches it may subscribe to everything in its channel. If that is meant, say authorize: () => true.`,
  );
}

function forget(channel: AnyChannel): void {
  openFeeds.set(channel, (openFeeds.get(channel) ?? 1) - 1);
}

function readSources(
  channel: AnyChannel,
  streams: UntypedFeedOptions['streams'],
): Map<string, UntypedSource> {
  const sources = new Map<string, UntypedSource>();
  for (const [topic, { kind }] of channel.topics) {
    if (kind !== 'stream') continue;
    // A topic may have the name of a property that every object inherits.
    const given = streams !== undefined && Object.hasOwn(streams, topic) ? streams[topic] : undefined;
    const source = typeof given === 'object' ? given.source : given;
    if (typeof source !== 'function') {
      throw new LinefeedError(
        'invalid_option',
        `The stream "${topic}" has no source; give one in streams.${topic}.`,
      );
    }
    sources.set(topic, source);
  }
  for (const topic of Object.keys(streams ?? {})) {
    if (sources.has(topic)) continue;
    throw new LinefeedError('invalid_option', `streams.${topic} is the source of no stream of this channel.`);
  }
  return sources;
}

/** @throws LinefeedError `invalid_option` */
function checkLog(log: unknown): void {
  if (log === undefined || typeof (log as Partial<Log>).tail === 'function') return;
  throw invalidOption(
    'log must be a log, such as memoryLog() or sqliteLog({ path }); this object has no tail().',
  );
}

/** `sources` is an internal option with a name that users may try. @throws LinefeedError `invalid_option` */
function checkSources(sources: unknown): void {
  if (sources === undefined || typeof (sources as Partial<Map<string, unknown>>).get === 'function') return;
  throw invalidOption('A feed has no option "sources"; the sources of its streams go into streams.');
}

/** @throws LinefeedError `invalid_option` */
function checkRequest(request: Request): void {
  if (typeof request?.url === 'string' && typeof request.headers?.get === 'function') return;
  throw invalidOption('feed.handle takes a Request of the fetch API; on Node use toNodeHandler(feed).');
}

function toInfo(connection: Identity): ConnectionInfo {
  const { id, context, principal } = connection;
  return {
    id,
    context,
    principal,
    // A getter: most hooks never read it, and a connection may have hundreds of events.
    get events() {
      return [...(connection.events?.() ?? [])];
    },
  };
}

/**
 * Wraps the user's hooks: an exception in a hook must not break the connection. Hooks are called in a microtask. Called
 * directly, a hook that disconnects, publishes or closes the feed would re-enter a state change in progress. The async
 * context is that of the request that opened the connection, not of the caller that publishes or disconnects.
 */
function toHandlers(hooks: FeedHooks<unknown>): FeedHandlers {
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

function readStats(core: FeedCore): FeedStats {
  const subscriptions = new Map<string, number>();
  for (const connection of core.connections.values()) {
    for (const event of connection.events()) {
      const topic = event.split(/[?~]/, 1)[0]!;
      subscriptions.set(topic, (subscriptions.get(topic) ?? 0) + 1);
    }
  }
  const { framesOut, bytesOut, replayed, replays, largestReplay, bufferedHighWater } = core.counters;
  const { fallbacks, stalled, gaps } = core.counters;
  return {
    connections: core.connections.size,
    connectionsHighWater: core.connectionsHighWater,
    subscriptions: Object.fromEntries(subscriptions),
    eventsIn: core.hub.eventsIn,
    eventsOut: framesOut,
    bytesOut,
    replayed,
    replays,
    largestReplay,
    bufferedHighWaterBytes: bufferedHighWater,
    fallbacks,
    stalled,
    gaps,
  };
}

/** Composition root of a feed: the typed interface, the core, the default log, the fetch adapter. */
import type { AnyChannel, StreamName } from '@linefeed/shared';
import { formatCursor, invalidOption, LinefeedError } from '@linefeed/shared/wire';
import { toHttpRequest, toResponse } from '../adapters/fetch.ts';
import { systemClock } from '../base/clock.ts';
import { RESPOND, notFound, type HttpResponse, type HttpRequest } from '../http/http.ts';
import { FeedCore, type FeedCoreOptions } from './feed.ts';
import { toHandlers, toInfo } from './hooks.ts';
import {
  checkChannel,
  checkCloseOptions,
  checkFeedOptions,
  checkSubscribeOptions,
  type UntypedFeedOptions,
} from './options.ts';
import type { ConnectionInfo, FeedOptions } from './option-types.ts';
import { CORE, type CloseOptions, type Feed } from './types.ts';
import { followLog, type FollowOptions } from '../delivery/feed-subscription.ts';
import { resolveLimits } from '../base/default-options.ts';
import type { Log } from '../log/log.ts';
import { memoryLog } from '../log/memory-log.ts';
import { memoryRuns } from '../runs/memory-runs.ts';
import type { RunStore } from '../runs/run-store.ts';
import { checkCorsOptions } from '../http/origin.ts';
import type { UntypedSource } from '../stream/run-stream.ts';
import { RunCalls } from './run-calls.ts';
import { checkSources, readSources } from './sources.ts';
import { readStats } from './stats.ts';
import { noteClosed, noteOpened, warnIfNotShared, warnIfPublic } from './warnings.ts';

const DEFAULT_PATH = '/events';

interface UntypedSubscribeOptions extends FollowOptions {
  readonly params?: unknown;
}

/** Only a channel without streams can omit the options. */
type ChannelWithoutStreams<C extends AnyChannel> = [StreamName<C>] extends [never]
  ? C
  : { readonly 'its streams need sources: createFeed(channel, { streams: { ... } })': never };

/**
 * Opens the server end of a channel without streams. Everything in the channel is public.
 *
 * @param channel The result of `defineChannel`
 * @throws LinefeedError `invalid_option` for a value that is not a channel
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
  const feed = openFeed(channel, { path }, options as unknown as UntypedFeedOptions, () =>
    noteClosed(channel),
  );
  // After the calls that may throw: a feed that was not created must not count as open.
  noteOpened(channel);
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
  checkRuns(options.runs);
  checkSources(options.sources);
  const ownLog = options.log === undefined;
  const log = options.log ?? memoryLog({ clock: options.clock });
  const ownRuns = options.runs === undefined;
  const runs = options.runs ?? memoryRuns({ clock: options.clock });
  const own =
    options.sources === undefined ? readSources(channel, options.streams) : new Map<string, UntypedSource>();
  if ('path' in mount) warnIfNotShared(channel, log, runs);
  const limits = resolveLimits(options);
  const core = new FeedCore({
    channel,
    mount,
    identify: options.context,
    authorize: options.authorize,
    // Not copied: the sources of a router are looked up on each request.
    sources: options.sources ?? own,
    contextPerRequest: options.contextPerRequest,
    log,
    runs,
    cors: options.cors,
    hosts: options.hosts,
    stopFromClients: options.stopFromClients ?? false,
    limits,
    clock: options.clock ?? systemClock,
    handlers: toHandlers(options),
  });
  // The sources of a router are procedures: the router's own middlewares authorise them.
  const isPublic = 'path' in mount && !options.authorize && !options.sources;
  const respond = (request: HttpRequest): Promise<HttpResponse | undefined> => {
    // Warns at the first request: a build also creates feeds, but serves no request.
    if (isPublic) warnIfPublic(channel, mount.path);
    return core.respond(request);
  };
  const runCalls = new RunCalls(core.runs, limits);
  let closing: Promise<void> | undefined;
  const feed = {
    channel,
    [CORE]: core,
    [RESPOND]: respond,
    async handle(request: Request) {
      checkRequest(request);
      const response = await respond(toHttpRequest(request));
      return toResponse(response ?? notFound(new URL(request.url).pathname), request.signal);
    },
    async publish(topic: string, ...rest: unknown[]) {
      const appended = await core.publisher.publish(topic, rest);
      if (appended === undefined) return undefined;
      const { epoch, position, duplicate } = appended;
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
    start: (topic: string, ...rest: unknown[]) => runCalls.start(topic, rest),
    stop: (topic: string, ...rest: unknown[]) => runCalls.stop(topic, rest),
    runs: (topic: string, params?: unknown) => runCalls.list(topic, params),
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
        if (ownRuns) await runs.close();
        onClosed();
      });
      await closing;
    },
  } satisfies Record<keyof Feed<AnyChannel>, unknown>;
  return feed as Feed<AnyChannel>;
}

/** @throws LinefeedError `invalid_option` */
function checkLog(log: unknown): void {
  if (log === undefined || typeof (log as Partial<Log>).tail === 'function') return;
  throw invalidOption(
    'log must be a log, such as memoryLog() or sqliteLog({ path }); this object has no tail().',
  );
}

/** @throws LinefeedError `invalid_option` */
function checkRuns(runs: unknown): void {
  if (runs === undefined || typeof (runs as Partial<RunStore>).commit === 'function') return;
  throw invalidOption('runs must be a store of runs, such as memoryRuns(); this object has no commit().');
}

/** @throws LinefeedError `invalid_option` */
function checkRequest(request: Request): void {
  if (typeof request?.url === 'string' && typeof request.headers?.get === 'function') return;
  throw invalidOption('feed.handle takes a Request of the fetch API; on Node use toNodeHandler(feed).');
}

/** A stream's source in a file of its own, which is an endpoint of its own as well. */
import type { AnyChannel, Channel, StreamName, TopicDefinition } from '@linefeed/shared';
import { LinefeedError } from '@linefeed/shared/wire';
import { openFeed, type UntypedFeedOptions } from './create-feed.ts';
import type { Answerer } from './exchange.ts';
import type { BaseFeedOptions, Feed, StreamSource } from './feed-types.ts';
import type { UntypedSource } from './stream-run.ts';

type TopicsOf<C> = C extends Channel<infer T> ? T : never;

/**
 * A stream topic with its source. It goes into `streams` of a feed, it is an endpoint alone (wherever it is mounted,
 * with the params as query), and `createClient<typeof it>` reads its type.
 */
export interface StreamDefinition<C extends AnyChannel, K extends StreamName<C>, Context = unknown>
  extends Channel<Pick<TopicsOf<C>, K>>, Answerer {
  readonly topic: K;
  readonly source: StreamSource<C, K, Context>;
  /** Answers a request of a fetch-style runtime. */
  handle(request: Request): Promise<Response>;
}

/** Options of the endpoint that a stream alone is; in a feed, those of the feed hold. */
export type StreamEndpointOptions<C extends AnyChannel, Context> = Omit<BaseFeedOptions<C, Context>, 'path' | 'log'>;

/**
 * Defines the source of a stream topic.
 *
 * @throws LinefeedError `unknown_topic` where the channel has no such stream.
 */
export function defineStream<C extends AnyChannel, K extends StreamName<C>, Context = any>(
  channel: C,
  topic: K,
  source: StreamSource<C, K, Context>,
  options: StreamEndpointOptions<C, Context> = {},
): StreamDefinition<C, K, Context> {
  const definition: TopicDefinition | undefined = channel.topics.get(topic);
  if (definition?.kind !== 'stream') {
    throw new LinefeedError('unknown_topic', `"${topic}" is no stream of this channel.`);
  }
  const topics = new Map([[topic as string, definition]]);
  // Opened by the first request: in a feed it is never an endpoint.
  let endpoint: Feed<AnyChannel> | undefined;
  const open = (): Feed<AnyChannel> =>
    (endpoint ??= openFeed(
      { topics },
      { topic },
      { ...(options as UntypedFeedOptions), streams: { [topic]: source as unknown as UntypedSource } },
      () => undefined,
    ));
  return {
    topics,
    topic,
    source,
    handle: (request) => open().handle(request),
    '~answer': (request) => open()['~answer'](request),
  };
}

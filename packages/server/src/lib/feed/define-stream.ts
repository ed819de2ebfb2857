/** Defines the source of a stream in a file of its own. The result is also an endpoint of its own. */
import type { AnyChannel, StreamName, TopicDefinition } from '@linefeed/shared';
import { invalidOption, LinefeedError } from '@linefeed/shared/wire';
import { openFeed } from './create-feed.ts';
import { checkChannel, checkFeedOptions, type UntypedFeedOptions } from './options.ts';
import type { StreamDefinition, StreamEndpointOptions, StreamSource } from './option-types.ts';
import type { Feed } from './types.ts';
import { createHostCheck } from '../http/hosts.ts';
import { resolveLimits } from '../base/default-options.ts';
import { checkCorsOptions } from '../http/origin.ts';
import type { UntypedSource } from '../stream/run-stream.ts';
import { toRequestTarget, respond } from '../http/http.ts';

/**
 * Defines the source of a stream topic in a file of its own.
 *
 * @example
 *   import { createFeed, defineStream, message } from '@linefeed/server';
 *   import { board } from './channel.ts';
 *
 *   const report = defineStream(board, 'report', async function* ({ params, lastEventId, signal }) {
 *     for (let step = Number(lastEventId ?? 0) + 1; step <= 3 && !signal.aborted; step += 1) {
 *       yield message({ step: params.year + step }, { id: step });
 *     }
 *   });
 *   createFeed(board, { streams: { report } });
 *
 * @param channel The result of `defineChannel`
 * @param topic A topic of kind `stream`
 * @param source Called once for each subscription
 * @param options Used only if the stream is an endpoint of its own
 * @returns The stream, for `streams` of a feed, or as an endpoint with the params in the query
 * @throws LinefeedError `unknown_topic` if the channel has no such stream, `invalid_option`
 */
export function defineStream<C extends AnyChannel, K extends StreamName<C>, Context = unknown>(
  channel: C,
  topic: K,
  source: StreamSource<C, K, Context>,
  options: StreamEndpointOptions<C, Context> = {},
): StreamDefinition<C, K, Context> {
  checkChannel(channel);
  const definition: TopicDefinition | undefined = channel.topics.get(topic);
  if (definition?.kind !== 'stream') {
    throw new LinefeedError('unknown_topic', `"${topic}" is not a stream of this channel.`);
  }
  if (typeof source !== 'function') {
    throw invalidOption(`The source of the stream "${topic}" must be a function, not ${typeof source}.`);
  }
  checkFeedOptions(options);
  // Checked now: the endpoint is opened by its first request, and a mistake must not stay hidden until then.
  checkCorsOptions(options.cors);
  createHostCheck(options.hosts);
  resolveLimits(options);
  const topics = new Map([[topic as string, definition]]);
  // Opened by the first request. A definition that is only used in a feed never opens an endpoint.
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
    ...toRequestTarget((request) => respond(open(), request)),
  };
}

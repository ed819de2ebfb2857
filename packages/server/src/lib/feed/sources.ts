/** Reads the sources of a feed's streams from its options. */
import type { AnyChannel } from '@linefeed/shared';
import { invalidOption, LinefeedError } from '@linefeed/shared/wire';
import type { UntypedSource } from '../stream/run-stream.ts';
import type { UntypedFeedOptions } from './options.ts';

/** @throws LinefeedError `invalid_option` for a stream without a source, and for a source without a stream. */
export function readSources(
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
    throw new LinefeedError('invalid_option', `streams.${topic} names no stream of this channel.`);
  }
  return sources;
}

/** `sources` is an internal option with a name that users may try. @throws LinefeedError `invalid_option` */
export function checkSources(sources: unknown): void {
  if (sources === undefined || typeof (sources as Partial<Map<string, unknown>>).get === 'function') return;
  throw invalidOption('A feed has no option "sources"; the sources of its streams go into streams.');
}

/** The run-time part of a channel for a feed in memory: addresses, payloads and refusals as in production. */
import { LinefeedError, type AnyChannel } from '@linefeed/shared';
import {
  describeIssues,
  encodeAddress,
  parseAddress,
  readParams,
  refusal,
  resolveParams,
  validate,
  type ParsedAddress,
  type Validated,
} from '@linefeed/shared/wire';

export interface TestContract {
  readonly isStream: (topic: string) => boolean;
  readonly isRun: (topic: string) => boolean;
  /** Whether the feed keeps only the newest value. Always false without the channel's value. */
  readonly isLatest: (topic: string) => boolean;
  /** @throws LinefeedError `unknown_topic`, `invalid_params` */
  readonly addressOf: (topic: string, params: unknown) => Promise<string>;
  /**
   * Returns the JSON of the schema's output: of a payload, or of the result of a run.
   *
   * @throws LinefeedError `unknown_topic`, `invalid_payload`
   */
  readonly encode: (topic: string, value: unknown, part?: 'data' | 'result') => Promise<string>;
  /** Returns the canonical address for a client's address. @throws LinefeedError `unknown_topic`, `invalid_params` */
  readonly resolve: (asked: string) => Promise<string>;
}

/** Without a channel, nothing is checked. */
export function createTestContract(
  channel: AnyChannel | undefined,
  streams: readonly string[],
  runs: readonly string[],
): TestContract {
  const definitionOf = (topic: string) => {
    const definition = channel?.topics.get(topic);
    if (channel && !definition) {
      const names = [...channel.topics.keys()].join(', ');
      throw refusal(
        'unknown_topic',
        `There is no topic "${topic}" in this channel; its topics are ${names}.`,
      );
    }
    return definition;
  };
  return {
    isStream: (topic) => channel?.topics.get(topic)?.kind === 'stream' || streams.includes(topic),
    isRun: (topic) => channel?.topics.get(topic)?.kind === 'run' || runs.includes(topic),
    isLatest: (topic) => channel?.topics.get(topic)?.keep === 'latest',
    async addressOf(topic, params) {
      const definition = definitionOf(topic);
      if (!definition) return encodeAddress(topic, params as object | undefined);
      if (!definition.params) return topic;
      return (await resolveParams(topic, definition.params, params)).address;
    },
    async encode(topic, value, part = 'data') {
      const schema = definitionOf(topic)?.[part];
      if (!schema) return JSON.stringify(value);
      const { issues, ...result } = (await validate(schema, value)) as Validated<unknown>;
      if (!issues) return JSON.stringify((result as { value: unknown }).value);
      const what = part === 'data' ? 'payload' : 'result';
      const message = `The ${what} of ${topic} is not valid: ${describeIssues(issues)}`;
      throw new LinefeedError('invalid_payload', message, { issues });
    },
    async resolve(asked) {
      const { topic, params } = parseAddress(asked) as ParsedAddress;
      const schema = definitionOf(topic)?.params;
      if (!schema) return channel ? topic : asked;
      return (await readParams(topic, schema, params)).address;
    },
  };
}

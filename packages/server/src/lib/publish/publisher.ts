/** Publishes payloads: validates and encodes each once, and appends them to the log in call order. */
import type { AnyChannel, TopicDefinition } from '@linefeed/shared';
import {
  checkOptions,
  describeIssues,
  findJsonFault,
  invalidOption,
  refusal,
  LinefeedError,
  validate,
  type MaybePromise,
  type Schema,
  type Validated,
} from '@linefeed/shared/wire';
import { ignore } from '../base/promise.ts';
import type { Appended, AppendOptions, Log, LogEntry } from '../log/log.ts';
import { resolveAddress } from './address.ts';

export interface PublisherOptions {
  readonly channel: AnyChannel;
  readonly log: Log;
  readonly maxAddressBytes: number;
  readonly maxPayloadBytes: number;
}

/** The options of a publish. */
interface Options extends AppendOptions {
  readonly transaction?: unknown;
}

/** The log checks the key and the transaction itself. */
const PUBLISH_OPTIONS = { idempotencyKey: 'any', transaction: 'any' } satisfies Record<keyof Options, string>;

export class Publisher {
  readonly #options: PublisherOptions;
  /** Set while a call waits for an asynchronous schema. Later calls are appended after it. */
  #preparing: Promise<void> | undefined;
  /** Appends that the log has not settled. */
  readonly #appending = new Set<Promise<unknown>>();
  #closed = false;

  constructor(options: PublisherOptions) {
    this.#options = options;
  }

  /** Refuses later publishes. Resolves when all earlier ones have been appended or refused. */
  async close(): Promise<void> {
    this.#closed = true;
    while (this.#preparing !== undefined || this.#appending.size > 0) {
      await this.#preparing;
      await Promise.allSettled(this.#appending);
    }
  }

  /** Resolves with `undefined` if the event was recorded in a transaction: it has no position yet. */
  publish(topic: string, rest: readonly unknown[]): Promise<Appended | undefined> {
    try {
      if (this.#closed) throw new LinefeedError('closed', 'This feed was closed; it takes no more events.');
      const definition = this.#definitionOf(topic);
      const [params, payload, options] =
        definition.params === undefined ? [undefined, rest[0], rest[1]] : [rest[0], rest[1], rest[2]];
      if (options !== undefined) checkOptions('publish', options, PUBLISH_OPTIONS);
      const entry = this.#prepare(topic, definition, params, payload);
      const append = (prepared: LogEntry): Promise<Appended | undefined> =>
        this.#append(prepared, options as Options | undefined);
      if (this.#preparing === undefined && !(entry instanceof Promise)) return append(entry);
      return this.#inTurn(entry, append);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /**
   * Calls `append` after all earlier publishes were passed to the log. It does not wait until the log has settled them.
   */
  #inTurn(
    entry: MaybePromise<LogEntry>,
    append: (prepared: LogEntry) => Promise<Appended | undefined>,
  ): Promise<Appended | undefined> {
    // If the schema rejects while this call still waits, the rejection must not count as unhandled.
    if (entry instanceof Promise) entry.catch(ignore);
    // Wrapped in an object, because a promise resolved with a promise would wait for the log.
    const handed = (this.#preparing ?? Promise.resolve())
      .then(() => entry)
      .then((prepared) => ({ appending: append(prepared) }));
    const turn = handed.then(ignore, ignore).finally(() => {
      if (this.#preparing === turn) this.#preparing = undefined;
    });
    this.#preparing = turn;
    return handed.then(({ appending }) => appending);
  }

  /**
   * The address of a logged topic with these params: a promise if the schema is asynchronous.
   *
   * @throws LinefeedError `unknown_topic`, `not_publishable`, `invalid_params`, `address_too_long`
   */
  addressOf(topic: string, params: unknown): MaybePromise<string> {
    return this.#address(topic, this.#definitionOf(topic), params);
  }

  #definitionOf(topic: string): TopicDefinition {
    const definition = this.#options.channel.topics.get(topic);
    if (definition === undefined) {
      const names = [...this.#options.channel.topics.keys()].join(', ');
      throw refusal(
        'unknown_topic',
        `There is no topic "${topic}" in this channel; its topics are ${names}.`,
      );
    }
    if (definition.kind === 'stream') {
      throw refusal(
        'not_publishable',
        `"${topic}" is a stream: its source yields its events, so nothing can be published to it.`,
      );
    }
    if (definition.kind === 'run') {
      throw refusal(
        'not_publishable',
        `"${topic}" is a run: feed.start records its events, so nothing can be published to it.`,
      );
    }
    return definition;
  }

  #prepare(
    topic: string,
    definition: TopicDefinition,
    params: unknown,
    payload: unknown,
  ): MaybePromise<LogEntry> {
    const address = this.#address(topic, definition, params);
    const data = encodePayload(topic, definition, payload, this.#options.maxPayloadBytes);
    const entry = (a: string, d: string): LogEntry => ({ address: a, data: d, keep: definition.keep });
    if (typeof address === 'string' && typeof data === 'string') return entry(address, data);
    return Promise.all([address, data]).then(([a, d]) => entry(a, d));
  }

  #address(topic: string, definition: TopicDefinition, params: unknown): MaybePromise<string> {
    if (definition.params === undefined) return topic;
    return resolveAddress(topic, definition.params, params, this.#options.maxAddressBytes);
  }

  #append(entry: LogEntry, { transaction, ...options }: Options = {}): Promise<Appended | undefined> {
    const { log } = this.#options;
    const appending = Promise.resolve(
      transaction === undefined
        ? log.append([entry], options)
        : this.#appendIn(transaction, entry, options).then(ignore),
    ) as Promise<Appended | undefined>;
    this.#appending.add(appending);
    const settle = (): unknown => this.#appending.delete(appending);
    appending.then(settle, settle);
    return appending;
  }

  async #appendIn(transaction: unknown, entry: LogEntry, options: AppendOptions): Promise<void> {
    const { log } = this.#options;
    if (log.appendIn === undefined) {
      throw invalidOption(
        'The log of this feed takes no events of transactions; publish without `transaction`, or use a postgresLog.',
      );
    }
    await log.appendIn(transaction, [entry], options);
  }
}

/**
 * A payload as the JSON of its schema's output.
 *
 * @throws LinefeedError `invalid_payload` with the schema's issues, `payload_too_large`
 */
export function encodePayload(
  topic: string,
  definition: TopicDefinition,
  payload: unknown,
  maxBytes: number,
): MaybePromise<string> {
  return encode(topic, 'payload', definition.data, payload, maxBytes);
}

/**
 * The result of a run as the JSON of its schema's output.
 *
 * @throws LinefeedError `invalid_payload` with the schema's issues, `payload_too_large`
 */
export function encodeResult(
  topic: string,
  schema: Schema,
  result: unknown,
  maxBytes: number,
): MaybePromise<string> {
  return encode(topic, 'result', schema, result, maxBytes);
}

function encode(
  topic: string,
  what: 'payload' | 'result',
  schema: Schema,
  value: unknown,
  maxBytes: number,
): MaybePromise<string> {
  const finish = (validated: Validated<unknown>): string => {
    if (validated.issues !== undefined) {
      const { issues } = validated;
      throw new LinefeedError(
        'invalid_payload',
        `The ${what} of ${topic} is not valid: ${describeIssues(issues)}`,
        { issues },
      );
    }
    const fault = findJsonFault(validated.value);
    if (fault !== undefined) {
      const place = fault.path.length === 0 ? 'it' : `"${fault.path.join('.')}"`;
      throw new LinefeedError(
        'invalid_payload',
        `The ${what} of ${topic} cannot be sent as JSON: ${place} is ${fault.what}.`,
        { issues: [{ message: `cannot be sent as JSON: ${fault.what}`, path: fault.path }] },
      );
    }
    const json = JSON.stringify(validated.value);
    checkPayloadSize(topic, json, maxBytes, what);
    return json;
  };
  const validated = validate(schema, value);
  return validated instanceof Promise ? validated.then(finish) : finish(validated);
}

/** @throws LinefeedError `payload_too_large` */
export function checkPayloadSize(
  topic: string,
  json: string,
  maxBytes: number,
  what: string = 'payload',
): void {
  // Fast path: a UTF-16 code unit has at most three bytes of UTF-8, so most payloads are not encoded to count.
  if (json.length * 3 <= maxBytes) return;
  const bytes = new TextEncoder().encode(json).byteLength;
  if (bytes <= maxBytes) return;
  throw new LinefeedError(
    'payload_too_large',
    `A ${what} of ${topic} has ${bytes} bytes as JSON, more than maxPayloadBytes (${maxBytes}); send a reference to it instead.`,
  );
}

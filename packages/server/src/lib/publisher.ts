/** From a payload to the log: validated once, encoded once, appended in the order of the calls. */
import type { AnyChannel, TopicDefinition } from '@linefeed/shared';
import {
  describeIssues,
  encodeAddress,
  findJsonFault,
  refusal,
  LinefeedError,
  validate,
} from '@linefeed/shared/wire';
import { checkAddressSize } from './admission.ts';
import type { Appended, AppendOptions, Log, LogEntry } from './log.ts';

export interface PublisherOptions {
  readonly channel: AnyChannel;
  readonly log: Log;
  readonly maxAddressBytes: number;
  readonly maxPayloadBytes: number;
}

type Awaitable<T> = T | Promise<T>;

export class Publisher {
  readonly #options: PublisherOptions;
  /** Set while a call waits for an asynchronous schema or log: later calls wait behind it. */
  #last: Promise<unknown> | undefined;

  constructor(options: PublisherOptions) {
    this.#options = options;
  }

  /** Resolves when everything published so far has been appended or refused. */
  async settled(): Promise<void> {
    while (this.#last !== undefined) await this.#last;
  }

  publish(topic: string, rest: readonly unknown[]): Promise<Appended> {
    let appending: Awaitable<Appended>;
    try {
      const definition = this.#definitionOf(topic);
      const [params, payload, options] =
        definition.params === undefined ? [undefined, rest[0], rest[1]] : [rest[0], rest[1], rest[2]];
      const entry = this.#prepare(topic, definition, params, payload);
      const append = (prepared: LogEntry): Awaitable<Appended> =>
        this.#append(prepared, (options ?? {}));
      if (this.#last !== undefined) {
        const last = this.#last;
        // A schema that rejects while this call still waits is not unhandled.
        if (entry instanceof Promise) entry.catch(ignore);
        appending = last.then(() => entry).then(append);
      } else appending = entry instanceof Promise ? entry.then(append) : append(entry);
    } catch (error) {
      return Promise.reject(error);
    }
    return appending instanceof Promise ? this.#queue(appending) : Promise.resolve(appending);
  }

  /**
   * The address of a logged topic with these params: a promise where the schema is asynchronous.
   *
   * @throws LinefeedError `unknown_topic`, `not_publishable`, `invalid_params`, `address_too_long`
   */
  addressOf(topic: string, params: unknown): Awaitable<string> {
    return this.#address(topic, this.#definitionOf(topic), params);
  }

  #queue(appending: Promise<Appended>): Promise<Appended> {
    const settled = appending.then(ignore, ignore).finally(() => {
      if (this.#last === settled) this.#last = undefined;
    });
    this.#last = settled;
    return appending;
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
        `"${topic}" is a stream: its source says what it sends, nothing is published to it.`,
      );
    }
    return definition;
  }

  #prepare(
    topic: string,
    definition: TopicDefinition,
    params: unknown,
    payload: unknown,
  ): Awaitable<LogEntry> {
    const address = this.#address(topic, definition, params);
    const data = encodePayload(topic, definition, payload, this.#options.maxPayloadBytes);
    const entry = (a: string, d: string): LogEntry => ({ address: a, data: d, keep: definition.keep });
    if (typeof address === 'string' && typeof data === 'string') return entry(address, data);
    return Promise.all([address, data]).then(([a, d]) => entry(a, d));
  }

  #address(topic: string, definition: TopicDefinition, params: unknown): Awaitable<string> {
    if (definition.params === undefined) return topic;
    const finish = (result: Awaited<ReturnType<typeof validate>>): string => {
      if (result.issues !== undefined) {
        throw refusal(
          'invalid_params',
          `The params of ${topic} are not valid: ${describeIssues(result.issues)}`,
          {
            issues: result.issues,
            status: undefined,
          },
        );
      }
      const address = encodeAddress(topic, result.value as object);
      checkAddressSize(address, this.#options.maxAddressBytes);
      return address;
    };
    const result = validate(definition.params, params);
    return result instanceof Promise ? result.then(finish) : finish(result);
  }

  #append(entry: LogEntry, options: AppendOptions): Awaitable<Appended> {
    const appended = this.#options.log.append([entry], options);
    return isThenable(appended) ? Promise.resolve(appended) : appended;
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
): Awaitable<string> {
  const finish = (result: Awaited<ReturnType<typeof validate>>): string => {
    if (result.issues !== undefined) {
      throw new LinefeedError(
        'invalid_payload',
        `The payload of ${topic} is not valid: ${describeIssues(result.issues)}`,
        {
          issues: result.issues,
        },
      );
    }
    const fault = findJsonFault(result.value);
    if (fault !== undefined) {
      const place = fault.path === '' ? 'it' : `"${fault.path}"`;
      throw new LinefeedError(
        'invalid_payload',
        `The payload of ${topic} cannot be sent as JSON: ${place} is ${fault.what}.`,
        {
          issues: [{ message: `cannot be sent as JSON: ${fault.what}`, path: fault.path.split('.') }],
        },
      );
    }
    const json = JSON.stringify(result.value);
    checkPayloadSize(topic, json, maxBytes);
    return json;
  };
  const result = validate(definition.data, payload);
  return result instanceof Promise ? result.then(finish) : finish(result);
}

/** @throws LinefeedError `payload_too_large` */
export function checkPayloadSize(topic: string, json: string, maxBytes: number): void {
  // A UTF-16 code unit is at most three bytes of UTF-8, so most payloads need no count.
  if (json.length * 3 <= maxBytes) return;
  const bytes = new TextEncoder().encode(json).byteLength;
  if (bytes <= maxBytes) return;
  throw new LinefeedError(
    'payload_too_large',
    `A payload of ${topic} has ${bytes} bytes as JSON, more than maxPayloadBytes (${maxBytes}); send a reference to it instead.`,
  );
}

function isThenable<T>(value: T | PromiseLike<T>): value is PromiseLike<T> {
  return typeof value === 'object' && value !== null && 'then' in value;
}

function ignore(): void {}

/** Finds or creates the stream, and names what is dangerous about it. It never changes a stream. */
import {
  API_ERROR,
  type JetStream,
  type NatsConnection,
  type StreamConfig,
  type StreamInfo,
} from './connection.ts';
import { failure, toFailure } from './errors.ts';
import type { ResolvedOptions } from './options.ts';

/** By this text the log recognises a stream of its own. */
const DESCRIPTION = 'A log of Linefeed. Only natsLog writes to it.';
const MIN_VERSION = [2, 9] as const;
const NANOSECONDS = 1_000_000;

/** @throws LinefeedError `log_failed` for a server without JetStream, or before 2.9 */
export function checkServer({ connection }: ResolvedOptions): void {
  const { info } = connection;
  if (info === undefined) return;
  const [major = 0, minor = 0] = info.version.split('.').map(Number);
  if (major < MIN_VERSION[0] || (major === MIN_VERSION[0] && minor < MIN_VERSION[1]))
    throw failure(`natsLog needs nats-server 2.9 or later; this one is ${info.version}.`);
  if (info.headers === false)
    throw failure('natsLog needs headers of NATS messages; start nats-server with no_header_support: false.');
}

/** Reads the stream. @returns `undefined` if it does not exist */
export async function findStream(jetstream: JetStream, stream: string): Promise<StreamInfo | undefined> {
  const info = await ask(jetstream, stream, `STREAM.INFO.${stream}`);
  return info === undefined ? undefined : checkStream(info, stream);
}

/** Creates the stream. `earlier`: with the settings of one that was deleted. */
export async function createStream(
  jetstream: JetStream,
  options: ResolvedOptions,
  earlier: StreamConfig | undefined,
): Promise<StreamInfo> {
  const { stream } = options;
  const config = {
    name: stream,
    subjects: [subjectOf(stream)],
    description: DESCRIPTION,
    storage: 'file',
    retention: 'limits',
    discard: 'old',
    num_replicas: options.replicas,
    ...{ max_msgs: -1, max_bytes: -1, max_age: 0, max_msg_size: -1, max_consumers: -1 },
    // The log deletes by purging. A message that is deleted from the middle would be a hole.
    deny_delete: true,
  };
  const created = await ask(jetstream, stream, `STREAM.CREATE.${stream}`, earlier ?? config);
  if (created === undefined) throw toFailure(stream, { code: 404, err_code: API_ERROR.streamNotFound });
  return created;
}

async function ask(
  jetstream: JetStream,
  stream: string,
  subject: string,
  body?: object,
): Promise<StreamInfo | undefined> {
  let answer;
  try {
    answer = await jetstream.request<StreamInfo>(subject, body);
  } catch (error) {
    throw toFailure(stream, error);
  }
  const { error } = answer;
  if (error === undefined) return answer;
  if (error.err_code === API_ERROR.streamNotFound) return undefined;
  // Another process has created it in the same moment.
  if (error.err_code === API_ERROR.streamNameInUse)
    return await ask(jetstream, stream, `STREAM.INFO.${stream}`);
  throw toFailure(stream, error);
}

export function subjectOf(stream: string): string {
  return `linefeed.${stream}`;
}

/** @throws LinefeedError `log_failed` for a stream that cannot be a log */
function checkStream(info: StreamInfo, stream: string): StreamInfo {
  const { subjects = [], sealed, deny_purge: denyPurge, mirror, sources, retention } = info.config;
  const subject = subjectOf(stream);
  const wrong =
    subjects.length !== 1 || subjects[0] !== subject
      ? `has the subjects ${JSON.stringify(subjects)} instead of ["${subject}"]`
      : mirror !== undefined || sources !== undefined
        ? 'copies another stream'
        : sealed === true
          ? 'is sealed'
          : denyPurge === true
            ? 'forbids to be purged (deny_purge)'
            : retention !== 'limits'
              ? `has the retention "${retention}" instead of "limits"`
              : undefined;
  if (wrong === undefined) return info;
  throw failure(
    `The NATS stream "${stream}" ${wrong}. Nothing was changed; give natsLog another name, and it creates a stream of its own.`,
  );
}

/** One line for each setting that loses events or stops the log, with the remedy. */
export function dangersOf(info: StreamInfo, { stream, bounds, connection }: ResolvedOptions): string[] {
  const { config } = info;
  const attempts = reconnectAttemptsOf(connection);
  const dangers: Array<[isDangerous: boolean, text: string]> = [
    [
      config.storage === 'memory',
      'is kept in memory: a restart of the server loses every event; create it with storage: file',
    ],
    [
      config.discard === 'new' && hasLimit(config),
      'refuses new events when it is full (discard: new); set discard: old, or remove its limits',
    ],
    [
      isClustered(info) && config.num_replicas === 1,
      'has one replica in a cluster: while that server is away nothing can be published; set num_replicas: 3',
    ],
    [
      config.max_age > 0 && config.max_age < bounds.maxAgeMs * NANOSECONDS,
      `drops events after ${config.max_age / NANOSECONDS} ms, before maxAgeMs of the log, and values of keep: 'latest' too; set max_age: 0`,
    ],
    [
      config.max_msgs > 0 && config.max_msgs < 2 * bounds.maxEvents,
      `holds at most ${config.max_msgs} messages, fewer than the log needs for its maxEvents; set max_msgs: -1`,
    ],
    [
      config.max_bytes > 0 && config.max_bytes < 2 * bounds.maxBytes,
      `holds at most ${config.max_bytes} bytes, less than twice maxBytes of the log; set max_bytes: -1, or lower maxBytes`,
    ],
    [
      (config.max_msgs_per_subject ?? -1) > 0,
      'limits the messages of a subject, and the log has one subject; set max_msgs_per_subject: -1',
    ],
    [
      attempts !== undefined && attempts >= 0,
      `has a connection that gives up after ${attempts} attempts to reconnect, and then stays closed; connect with maxReconnectAttempts: -1`,
    ],
  ];
  return dangers
    .filter(([isDangerous]) => isDangerous)
    .map(([, text]) => `The NATS stream "${stream}" ${text}.`);
}

/** The library does not tell its options in its types. */
function reconnectAttemptsOf(connection: NatsConnection): number | undefined {
  const { options } = connection as { options?: { maxReconnectAttempts?: unknown } };
  const attempts = options?.maxReconnectAttempts;
  return typeof attempts === 'number' ? attempts : undefined;
}

function hasLimit({ max_msgs: messages, max_bytes: bytes }: StreamConfig): boolean {
  return messages > 0 || bytes > 0;
}

function isClustered({ cluster }: StreamInfo): boolean {
  return cluster?.name !== undefined;
}

/** The largest message that server and stream accept, in bytes. */
export function maxMessageBytesOf({ config }: StreamInfo, { connection }: ResolvedOptions): number {
  const limits = [connection.info?.max_payload ?? 1024 * 1024, config.max_msg_size ?? -1];
  return Math.min(...limits.filter((limit) => limit > 0));
}

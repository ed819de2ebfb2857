/** Backs up a JetStream stream and restores it, by the API that `nats stream backup` and `restore` use. */
import type { NatsConnection } from '@nats-io/nats-core';

export interface StreamBackup {
  readonly config: object;
  readonly state: object;
  readonly chunks: readonly Uint8Array[];
}

interface Answer {
  readonly error?: { readonly description: string };
  readonly config: object;
  readonly state: object;
  readonly deliver_subject: string;
}

async function ask(connection: NatsConnection, subject: string, body?: object): Promise<Answer> {
  const payload = body === undefined ? '' : JSON.stringify(body);
  const answer = (
    await connection.request(`$JS.API.${subject}`, payload, { timeout: 10_000 })
  ).json<Answer>();
  if (answer.error !== undefined) throw new Error(`${subject}: ${answer.error.description}`);
  return answer;
}

export async function backUpStream(connection: NatsConnection, stream: string): Promise<StreamBackup> {
  const chunks: Uint8Array[] = [];
  const inbox = `_INBOX.backup.${stream}.${Math.random().toString(36).slice(2)}`;
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const subscription = connection.subscribe(inbox, {
    callback(error, message) {
      if (error !== null && error !== undefined) return reject(error);
      if (message.data.length === 0) return resolve();
      chunks.push(message.data.slice());
      message.respond();
    },
  });
  try {
    const { config, state } = await ask(connection, `STREAM.SNAPSHOT.${stream}`, {
      deliver_subject: inbox,
      no_consumers: true,
    });
    await promise;
    return { config, state, chunks };
  } finally {
    subscription.unsubscribe();
  }
}

/** Replaces the stream by a backup. It is as old as before, and its numbering goes on from there. */
export async function restoreStream(
  connection: NatsConnection,
  stream: string,
  { config, state, chunks }: StreamBackup,
): Promise<void> {
  await ask(connection, `STREAM.DELETE.${stream}`);
  const { deliver_subject: subject } = await ask(connection, `STREAM.RESTORE.${stream}`, { config, state });
  for (const chunk of chunks) await connection.request(subject, chunk, { timeout: 10_000 });
  const end = (await connection.request(subject, '', { timeout: 10_000 })).json<Answer>();
  if (end.error !== undefined) throw new Error(end.error.description);
}

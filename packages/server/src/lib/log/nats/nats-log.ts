/** A log on a JetStream stream of NATS. The processes of many machines can share it. */
import { warn } from '../../base/report.ts';
import type { Log } from '../log.ts';
import { openRemoteLog } from '../remote/remote-log.ts';
import { closedConnection, JetStream, type StreamInfo } from './connection.ts';
import { NatsStore } from './nats-store.ts';
import { resolveOptions, type NatsLogOptions, type ResolvedOptions } from './options.ts';
import {
  checkServer,
  createStream,
  dangersOf,
  findStream,
  maxMessageBytesOf,
  subjectOf,
} from './settings.ts';
import { StreamReader } from './stream-reader.ts';
import { ViewSync } from './view-sync.ts';

/** Longest wait for one answer of the server, in milliseconds, if `timeoutMs` is not shorter. */
const REQUEST_MS = 2_000;

/**
 * A bounded log on NATS JetStream, for the processes of many machines. NATS 2.9 or later.
 *
 * @example
 *   import { createFeed } from '@linefeed/server';
 *   import { natsLog } from '@linefeed/server/nats';
 *   import { connect } from '@nats-io/transport-node';
 *   import { board } from './channel.ts';
 *
 *   const connection = await connect({ servers: 'localhost:4222', maxReconnectAttempts: -1 });
 *   const log = await natsLog({ connection, stream: 'board' });
 *   const feed = createFeed(board, { log, streams: { *report() {} } });
 *   await feed.close();
 *   await log.close?.();
 *   await connection.close();
 *
 * @param options `connection` and `stream` are required
 * @throws LinefeedError (as a rejection) `invalid_option`; `log_failed` if JetStream does not answer or has no
 *   permission for this user, if the server is too old, or if the stream is one of another program.
 */
export async function natsLog(options: NatsLogOptions): Promise<Log> {
  const resolved = resolveOptions(options);
  const { connection, stream, bounds, clock, timers, timeoutMs, heartbeatMs, checkMs, minGain } = resolved;
  if (connection.isClosed()) throw closedConnection();
  checkServer(resolved);
  const jetstream = new JetStream(connection, Math.min(REQUEST_MS, timeoutMs));
  let info: StreamInfo | undefined;
  const reader = new StreamReader({
    ...{ jetstream, stream, bounds, clock, timers, heartbeatMs, checkMs },
    createAfterMs: resolved.createAfterMs,
    find: async () => {
      const found = await findStream(jetstream, stream);
      info = found ?? info;
      return found;
    },
    create: async () => (info = await createStream(jetstream, resolved, info?.config)),
  });
  try {
    await reader.open();
  } catch (error) {
    reader.close();
    throw error;
  }
  for (const danger of dangersOf(info!, resolved)) warn(danger);
  const { voidMessages } = reader.view;
  if (voidMessages > 0) {
    warn(
      `The NATS stream "${stream}" has ${voidMessages} ${voidMessages === 1 ? 'message' : 'messages'} that the log ignores: another program writes to ${subjectOf(stream)}; give it another subject.`,
    );
  }
  const store = new NatsStore({
    ...{ jetstream, stream, subject: subjectOf(stream), reader, timers, minGain },
    sync: new ViewSync({ jetstream, stream, timers, reader }),
    maxMessageBytes: maxMessageBytesOf(info!, resolved),
  });
  return await openRemoteLog(store, { clock: clockOf(resolved), timeoutMs });
}

/** Deadlines use the clock of the network, ages that of the events: in tests they differ. */
function clockOf({ clock, timers }: ResolvedOptions): typeof clock {
  return clock === timers ? clock : { ...timers, wallNow: () => clock.wallNow() };
}

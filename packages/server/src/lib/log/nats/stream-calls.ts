/** Calls of JetStream about one stream. */
import { API_ERROR, type JetStream, type StreamInfo } from './connection.ts';
import { toFailure } from './errors.ts';
import { decodeMessage, notOurs, type StreamMessage } from './message.ts';

export interface StreamAddress {
  readonly jetstream: JetStream;
  readonly stream: string;
}

/** @throws LinefeedError `log_failed` */
export async function readInfo({ jetstream, stream }: StreamAddress): Promise<StreamInfo> {
  const info = await jetstream.request<StreamInfo>(`STREAM.INFO.${stream}`);
  if (info.error !== undefined) throw toFailure(stream, info.error);
  return info;
}

/**
 * Reads one message from the leader of the stream. The direct get of JetStream would be cheaper, but a replica may
 * answer it, and replicas lag.
 */
export async function readMessage(
  { jetstream, stream }: StreamAddress,
  sequence: number,
): Promise<StreamMessage | undefined> {
  const answer = await jetstream.request<{ message: { data?: string } }>(`STREAM.MSG.GET.${stream}`, {
    seq: sequence,
  });
  if (answer.error?.err_code === API_ERROR.messageNotFound) return undefined;
  if (answer.error !== undefined) throw toFailure(stream, answer.error);
  const bytes = Uint8Array.from(atob(answer.message.data ?? ''), (letter) => letter.charCodeAt(0));
  return decodeMessage(bytes) ?? notOurs(sequence);
}

/** Removes the messages before a sequence. @throws LinefeedError `log_failed` */
export async function purgeBefore({ jetstream, stream }: StreamAddress, sequence: number): Promise<void> {
  const { error } = await jetstream.request(`STREAM.PURGE.${stream}`, { seq: sequence });
  if (error !== undefined) throw toFailure(stream, error);
}

/** Runs the source of a run: its values become the events, its end the end of the run. */
import type { TopicDefinition } from '@linefeed/shared';
import { LinefeedError } from '@linefeed/shared/wire';
import type { AsyncScope } from '../base/async-scope.ts';
import { runSource, type SourceContent, type SourceEnd } from '../base/source.ts';
import { toRefusal } from '../http/http.ts';
import { encodePayload, encodeResult } from '../publish/publisher.ts';
import { mayContinue } from './expiry.ts';
import type { RunState, RunView } from './record-state.ts';
import type { OwnEnd, RunWriter } from './run-writer.ts';
import type { Clock } from '../base/clock.ts';

export interface ProducerOptions {
  readonly topic: string;
  readonly definition: TopicDefinition;
  readonly state: RunState;
  readonly writer: RunWriter;
  readonly open: () => SourceContent | PromiseLike<SourceContent>;
  readonly maxPayloadBytes: number;
  readonly clock: Clock;
  /** The async context of the source. */
  readonly scope: AsyncScope;
  readonly onError: (error: unknown) => void;
}

/** Runs the source to its end, and records the end. Never rejects. */
export async function produce(options: ProducerOptions): Promise<RunView | undefined> {
  const { topic, definition, writer, maxPayloadBytes, clock, scope, onError } = options;
  const take = (value: unknown): void | Promise<void> => {
    const json = encodePayload(topic, definition, value, maxPayloadBytes);
    return typeof json === 'string' ? writer.write(json) : json.then((text) => writer.write(text));
  };
  const ended = await scope.run(() =>
    runSource({ open: options.open, take, signal: writer.signal, clock, onCleanupError: onError }),
  );
  const end = await toEnd(options, ended);
  if (end === 'over') return undefined;
  if (end !== 'release') return writer.end(end);
  await writer.release();
  return undefined;
}

/** `over`: the claim is over. `release`: another process may continue the run. */
async function toEnd(options: ProducerOptions, ended: SourceEnd): Promise<OwnEnd | 'over' | 'release'> {
  if (ended.type === 'failed') return fail(options, ended.error);
  if (ended.type === 'cancelled') return toCancelled(options);
  const { topic, definition, maxPayloadBytes } = options;
  if (definition.result === undefined) return { outcome: 'done' };
  try {
    const json = await encodeResult(topic, definition.result, ended.value, maxPayloadBytes);
    return { outcome: 'done', result: JSON.parse(json) as unknown };
  } catch (error) {
    return fail(options, error);
  }
}

function toCancelled({ state, writer }: ProducerOptions): OwnEnd | 'over' | 'release' {
  const { cause } = writer;
  if (cause === undefined || cause.type === 'over') return 'over';
  if (cause.type === 'stop') return { outcome: 'stopped', reason: cause.reason };
  if (cause.type === 'limit') {
    return { outcome: 'failed', error: { code: cause.error.code, message: cause.error.message } };
  }
  return mayContinue(state) ? 'release' : { outcome: 'lost', reason: 'shutdown' };
}

/** The codes of errors that the encoding of an event or of the result throws. */
const ENCODING_CODES: readonly string[] = ['invalid_payload', 'payload_too_large'];

function fail({ topic, scope, onError }: ProducerOptions, error: unknown): OwnEnd {
  scope.run(() => onError(error));
  if (LinefeedError.is(error) && error.code === 'run_limit') {
    return { outcome: 'failed', error: { code: error.code, message: error.message } };
  }
  const { code, message, status = 500 } = toRefusal(error, 'source_failed');
  if (status < 500) return { outcome: 'failed', error: { code, message } };
  // The message may be confidential.
  const isEncoding = LinefeedError.is(error) && ENCODING_CODES.includes(error.code);
  const neutral = `The source of "${topic}" failed.`;
  return { outcome: 'failed', error: { code: isEncoding ? error.code : code, message: neutral } };
}

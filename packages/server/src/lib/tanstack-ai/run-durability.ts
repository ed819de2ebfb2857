/** The `StreamDurability` of TanStack AI over runs. */
import type { AnyChannel, ParamsInput, RunName } from '@linefeed/shared';
import { checkOptions, invalidOption } from '@linefeed/shared/wire';
import type { FeedCore } from '../feed/feed.ts';
import { CORE, type Feed } from '../feed/types.ts';
import type { RunStartOptions } from '../runs/start-options.ts';
import { resolveStart } from '../runs/start-options.ts';
import { ChunkProducer } from './chunk-producer.ts';
import { createProducing, createReading, toStartOffset, type RunDurability } from './durability.ts';
import { readResumeRequest } from './resume-request.ts';

/** The options of `runDurability` besides `params`. */
export interface RunDurabilityOptions extends Omit<RunStartOptions, 'attempts'> {
  /** The request of the client of TanStack AI. A POST without an offset starts a run; all others read one. */
  readonly request: Request;
  /**
   * Names the start: a second request with the same key reads the run and starts nothing.
   *
   * @default the run id of the client (`X-Run-Id`)
   */
  readonly key?: string | undefined;
  /**
   * While another run of this address is running: `refuse` rejects with `run_busy`; `replace` stops it, waits for its end,
   * and starts; `join` reads it.
   *
   * @default `refuse`: the client gave its run another id
   */
  readonly whenBusy?: RunStartOptions['whenBusy'];
  /**
   * Whose run it is. With it, the runs of other principals cannot be read, also those of the same params.
   *
   * @default none
   */
  readonly principal?: string | undefined;
}

/** The option `params`: absent if the topic has none. */
export type DurabilityParams<P> = P extends undefined
  ? { readonly params?: undefined }
  : { readonly params: P };

const OPTIONS = {
  request: 'object',
  params: 'any',
  key: 'string',
  input: 'any',
  whenBusy: 'string',
  principal: 'string',
  leaseMs: 'number',
  keepMs: 'number',
  maxDurationMs: 'number|false',
} satisfies Record<keyof RunDurabilityOptions | 'params', string>;

/**
 * Starts a run for a request of TanStack AI, or finds the run that the request resumes. The run records the chunks of the
 * response. Check before the call that the user may read runs of these params.
 *
 * @example
 *   import { createFeed } from '@linefeed/server';
 *   import { runDurability } from '@linefeed/server/tanstack-ai';
 *   import { chat, toServerSentEventsResponse } from '@tanstack/ai';
 *   import { chats } from './chats.ts';
 *
 *   const feed = createFeed(chats);
 *   export async function POST(request: Request): Promise<Response> {
 *     const { threadId: thread, messages } = await request.json();
 *     const adapter = await runDurability(feed, 'reply', { params: { thread }, request });
 *     const { abortController } = adapter;
 *     return toServerSentEventsResponse(chat({ adapter: textAdapter, messages, abortController }), {
 *       abortController,
 *       durability: { adapter, batch: 1 },
 *     });
 *   }
 *
 * @param feed The feed that records the runs
 * @param topic A run of the channel whose payload is a `streamChunk`
 * @param options `request` is required, and `params` if the topic has params
 * @throws LinefeedError (as a rejection) `run_busy`, `idempotency_conflict`, `too_many_runs`, `invalid_params`,
 * `invalid_option`, `closed`
 */
export async function runDurability<C extends AnyChannel, K extends { [N in RunName<C>]: N }[RunName<C>]>(
  feed: Feed<C>,
  topic: K,
  options: RunDurabilityOptions & DurabilityParams<ParamsInput<C, K>>,
): Promise<RunDurability> {
  checkOptions('runDurability', options, OPTIONS);
  const { request, params, ...rest } = options as RunDurabilityOptions & { readonly params?: unknown };
  if (typeof request?.headers?.get !== 'function') {
    throw invalidOption('runDurability takes the Request of the client as request.');
  }
  const core = feed[CORE] as FeedCore;
  const target = await core.runs.target(topic, params);
  const { address } = target;
  const { records } = core.runs;
  const { principal } = rest;
  const read = async () => {
    const record = await records.present(address);
    if (principal === undefined) return record;
    const runs = record.state.runs.filter((run) => run.principal === principal);
    return { ...record, state: { ...record.state, runs } };
  };
  const parts = { records, address, read };
  const resume = readResumeRequest(request);
  if (!resume.mayStart) return createReading(parts, resume);
  const producer = new ChunkProducer(records, address);
  const start = await resolveStart(
    { whenBusy: 'refuse', ...rest, key: rest.key ?? resume.runId },
    core.limits,
  );
  const { run, joined } = await core.runs.start(target, producer.source, start);
  if (!joined) return createProducing(parts, run, producer);
  return createReading(parts, { ...resume, runId: undefined, offset: toStartOffset(run) });
}

/** The calls of a feed that start, stop and list runs, without the types of its channel. */
import type { AnyChannel, TopicDefinition } from '@linefeed/shared';
import { checkOptions, invalidOption, parseAddress, readParams } from '@linefeed/shared/wire';
import { runningOf } from '../runs/expiry.ts';
import { toViews, type PresentRecord, type RunView } from '../runs/record-state.ts';
import type { Runs, RunStarted, RunStopped, UntypedRunSource } from '../runs/runs.ts';
import { checkRunKey, resolveStart, type RunStartOptions } from '../runs/start-options.ts';
import type { FeedLimits } from '../base/default-options.ts';
import type { RunInfo, RunStopOptions } from './run-types.ts';

type UntypedRunInfo = RunInfo<AnyChannel, never>;

const STOP_OPTIONS = { run: 'string', key: 'string', reason: 'string' } satisfies Record<
  keyof RunStopOptions,
  string
>;

/** Addresses whose records are read at the same time. */
const LIST_CONCURRENCY = 16;

export class RunCalls {
  readonly #runs: Runs;
  readonly #limits: FeedLimits;

  constructor(runs: Runs, limits: FeedLimits) {
    this.#runs = runs;
    this.#limits = limits;
  }

  async start(topic: string, rest: readonly unknown[]): Promise<RunStarted> {
    const { params } = this.#runs.definition(topic);
    const [given, source, options = {}] = params === undefined ? [undefined, ...rest] : rest;
    if (typeof source !== 'function') {
      throw invalidOption(`The source of the run "${topic}" must be a function, not ${typeof source}.`);
    }
    const start = await resolveStart(options as RunStartOptions, this.#limits);
    const target = await this.#runs.target(topic, given);
    return this.#runs.start(target, source as UntypedRunSource, start);
  }

  async stop(topic: string, rest: readonly unknown[]): Promise<RunStopped | undefined> {
    const { params } = this.#runs.definition(topic);
    const [given, options = {}] = params === undefined ? [undefined, ...rest] : rest;
    checkOptions('stop', options, STOP_OPTIONS);
    const { run, key, reason } = options as RunStopOptions;
    checkRunKey(key);
    const { address } = await this.#runs.target(topic, given);
    return this.#runs.stop(address, { run, key, reason, keepMs: this.#limits.runKeepMs });
  }

  async list(topic: string, params: unknown): Promise<readonly UntypedRunInfo[]> {
    const definition = this.#runs.definition(topic);
    if (definition.params !== undefined && params === undefined) return this.#listAll(topic, definition);
    const target = await this.#runs.target(topic, params);
    return toInfos(target.params, await this.#runs.records.present(target.address));
  }

  async #listAll(topic: string, definition: TopicDefinition): Promise<readonly UntypedRunInfo[]> {
    // The list has addresses of other topics too, whose names start with this one.
    const keys = await this.#runs.records.list(topic);
    const addresses = keys.filter((key) => key.startsWith(`${topic}?`) || key === topic).toSorted();
    const infos: UntypedRunInfo[] = [];
    for (let start = 0; start < addresses.length; start += LIST_CONCURRENCY) {
      const page = addresses.slice(start, start + LIST_CONCURRENCY);
      const lists = await Promise.all(page.map((address) => this.#listAt(topic, definition, address)));
      infos.push(...lists.flat());
    }
    return infos;
  }

  async #listAt(
    topic: string,
    definition: TopicDefinition,
    address: string,
  ): Promise<readonly UntypedRunInfo[]> {
    const { params } = await readParams(topic, definition.params!, parseAddress(address)!.params);
    return toInfos(params, await this.#runs.records.present(address));
  }
}

function toInfos(params: unknown, record: PresentRecord): readonly UntypedRunInfo[] {
  const running = runningOf(record.state);
  return toViews(record).map((view) => {
    const isExpired = view.run === running?.run && record.leaseLeftMs <= 0;
    return toInfo(params, view, isExpired);
  });
}

function toInfo(params: unknown, view: RunView, isExpired: boolean): UntypedRunInfo {
  const { run, key, attempt, startedAt, count, end } = view;
  return {
    run,
    key,
    params: params as never,
    attempt,
    startedAt,
    events: count,
    status: end !== undefined ? 'ended' : isExpired ? 'expired' : 'running',
    outcome: end?.outcome,
    result: end?.result as never,
    error: end?.error,
    reason: end?.reason,
    endedAt: end?.at,
  };
}

/** The runs of a feed: starts, stops and lists them, and ends those of this process at the close. */
import type { AnyChannel, TopicDefinition } from '@linefeed/shared';
import { LinefeedError, refusal, resolveParams, type RunOutcome } from '@linefeed/shared/wire';
import { captureScope } from '../base/async-scope.ts';
import type { Clock } from '../base/clock.ts';
import type { FeedLimits } from '../base/default-options.ts';
import type { SourceContent } from '../base/source.ts';
import { checkAddressSize } from '../publish/address.ts';
import { decideClaim, type ClaimResult } from './claim.ts';
import { PrincipalSlots } from './principal-slots.ts';
import type { RunState, RunView } from './record-state.ts';
import { produce } from './run-producer.ts';
import type { RunRecords } from './run-records.ts';
import { PAGE_LIMIT } from './run-store.ts';
import { RunWriter } from './run-writer.ts';
import type { ResolvedStart } from './start-options.ts';
import { decideStop, type StopRequest } from './stop-request.ts';
import { waitForEnd } from './wait-for-end.ts';
import { WriterSchedule } from './writer-schedule.ts';

/** The argument of the source of a run, without its types. */
export interface UntypedRunContext {
  readonly params: unknown;
  readonly signal: AbortSignal;
  readonly stored: readonly unknown[];
  readonly attempt: number;
  readonly run: string;
  readonly key: string | undefined;
}

export type UntypedRunSource = (context: UntypedRunContext) => SourceContent | PromiseLike<SourceContent>;

/** A topic of kind `run` with its params. */
export interface RunTarget {
  readonly topic: string;
  readonly definition: TopicDefinition;
  readonly params: unknown;
  readonly address: string;
}

/** The result of `start`. */
export interface RunStarted {
  /** The id of the run. It gives no rights: each reader of the run is authorised. */
  readonly run: string;
  /** The run was started by another call. The source of this call is not called. */
  readonly joined: boolean;
  /** How the run has ended. `undefined`: it is running. */
  readonly outcome: Exclude<RunOutcome, 'gone'> | undefined;
}

/** The result of `stop`. */
export interface RunStopped {
  /** The id of the run. */
  readonly run: string;
  /** How it ended: another outcome than `stopped` if it ended before the stop. */
  readonly outcome: Exclude<RunOutcome, 'gone'>;
}

export interface RunsOptions {
  readonly channel: AnyChannel;
  readonly records: RunRecords;
  readonly clock: Clock;
  readonly limits: FeedLimits;
  readonly onError: (error: unknown) => void;
}

/** Producers check their leases and bounds at this interval. Less than a third of the shortest lease. */
const CHECKS_PER_POLL = 3;
/** A stop waits for the end of the run at most a lease and this long. */
const STOP_GRACE_MS = 5_000;
/** A start that replaces gives up after this many other starts were first. */
const MAX_REPLACED = 8;

export class Runs {
  readonly records: RunRecords;
  readonly #options: RunsOptions;
  readonly #schedule: WriterSchedule;
  readonly #slots: PrincipalSlots;
  /** The runs that this process produces, until their end is recorded. */
  readonly #producing = new Map<RunWriter, Promise<unknown>>();
  /** Claims in flight. */
  readonly #starting = new Set<Promise<unknown>>();
  /** Aborts when no run of this process and no connection is left. */
  readonly #closing = new AbortController();
  #isClosed = false;

  constructor(options: RunsOptions) {
    const { records, clock, limits } = options;
    this.#options = options;
    this.records = records;
    this.#schedule = new WriterSchedule(clock, limits.runPollMs * CHECKS_PER_POLL);
    this.#slots = new PrincipalSlots(records, limits.maxRunsPerPrincipal);
  }

  /** @throws LinefeedError `unknown_topic` */
  definition(topic: string): TopicDefinition {
    const definition = this.#options.channel.topics.get(topic);
    if (definition?.kind === 'run') return definition;
    const names = [...this.#options.channel.topics].filter(([, { kind }]) => kind === 'run');
    throw refusal(
      'unknown_topic',
      `"${topic}" is not a run of this channel; its runs are ${names.map(([name]) => name).join(', ') || 'none'}.`,
    );
  }

  /** @throws LinefeedError (as a rejection) `unknown_topic`, `invalid_params`, `address_too_long` */
  async target(topic: string, params: unknown): Promise<RunTarget> {
    const definition = this.definition(topic);
    if (definition.params === undefined) return { topic, definition, params: undefined, address: topic };
    const resolved = await resolveParams(topic, definition.params, params);
    checkAddressSize(resolved.address, this.#options.limits.maxAddressBytes);
    return { topic, definition, ...resolved };
  }

  /** Resolves when the claim is recorded. */
  async start(target: RunTarget, source: UntypedRunSource, options: ResolvedStart): Promise<RunStarted> {
    if (this.#isClosed) throw new LinefeedError('closed', 'This feed was closed; it starts no more runs.');
    const starting = this.#start(target, source, options);
    this.#starting.add(starting);
    try {
      return await starting;
    } finally {
      this.#starting.delete(starting);
    }
  }

  async #start(target: RunTarget, source: UntypedRunSource, options: ResolvedStart): Promise<RunStarted> {
    const result = await this.#claim(target.address, options);
    if (result.type === 'claimed') {
      this.#produce(target, source, result.state, result.count, options.maxDurationMs);
      return { run: result.state.run, joined: false, outcome: undefined };
    }
    const { view } = result;
    if (result.type === 'conflict') throw conflictOf(target.address, view);
    if (result.type === 'busy') throw busy(target.address, view);
    return { run: view.run, joined: result.type === 'joined', outcome: view.end?.outcome };
  }

  async #claim(address: string, options: ResolvedStart): Promise<Exclude<ClaimResult, { type: 'free' }>> {
    const { principal, whenBusy } = options;
    const isBounded = principal !== undefined && this.#options.limits.maxRunsPerPrincipal < Infinity;
    const claim = this.#randomText();
    let slot: string | undefined;
    let isTaken = false;
    try {
      for (let replaced = 0; ;) {
        const request = { ...options, claim, slot, needsSlot: isBounded && slot === undefined };
        const result = await this.records.change(address, (record) => decideClaim(request, record));
        if (result.type === 'free') {
          slot = claim;
          await this.#takeSlot(address, options, slot);
        } else if (result.type === 'busy' && whenBusy === 'replace' && replaced < MAX_REPLACED) {
          replaced += 1;
          const { run } = result.view;
          await this.stop(address, { run, key: undefined, reason: 'replaced', keepMs: 0 });
        } else {
          isTaken = result.type === 'claimed' && result.state.slot === slot;
          return result;
        }
      }
    } finally {
      if (!isTaken) this.#releaseSlot(principal, slot);
    }
  }

  #takeSlot(
    address: string,
    { principal, maxDurationMs, leaseMs }: ResolvedStart,
    slot: string,
  ): Promise<void> {
    const maxMs = maxDurationMs + 2 * leaseMs;
    return this.#slots.take({ principal: principal!, address, slot, maxMs });
  }

  /** A slot that is not released is found later: its run has ended. */
  #releaseSlot(principal: string | undefined, slot: string | undefined): void {
    if (principal === undefined || slot === undefined) return;
    this.#slots.release(principal, slot).catch((error: unknown) => this.records.reportFailure(error));
  }

  #produce(
    { topic, definition, params, address }: RunTarget,
    source: UntypedRunSource,
    state: RunState,
    count: number,
    maxDurationMs: number,
  ): void {
    const { clock, limits, onError } = this.#options;
    const { maxPayloadBytes, maxRunEvents, maxRunBytes } = limits;
    const scope = captureScope();
    const bounds = { maxEvents: maxRunEvents, maxBytes: maxRunBytes, maxDurationMs };
    const { records } = this;
    const writer = new RunWriter({ records, schedule: this.#schedule, address, state, count, bounds, scope });
    const { run, key, attempt } = state;
    const open = async (): Promise<SourceContent> => {
      const stored = count === 0 ? [] : await this.#readStored(address, state, count, writer);
      return source({ params, signal: writer.signal, stored, attempt, run, key });
    };
    const options = { topic, definition, state, writer, open, maxPayloadBytes, clock, scope, onError };
    const producing = produce(options).then((ended) => {
      this.#producing.delete(writer);
      // A run that another process continues keeps its slot.
      if (ended !== undefined) this.#releaseSlot(state.principal, state.slot);
    });
    this.#producing.set(writer, producing);
    // A close may have begun while the claim was in flight.
    if (this.#isClosed) writer.close();
  }

  /** The payloads that earlier attempts recorded. */
  async #readStored(
    address: string,
    { run }: RunState,
    count: number,
    writer: RunWriter,
  ): Promise<readonly unknown[]> {
    const stored: unknown[] = [];
    while (stored.length < count) {
      const page = await this.records.read(address, run, stored.length, PAGE_LIMIT);
      if (page.length === 0) throw new LinefeedError('runs_failed', `Events of the run ${run} are missing.`);
      for (const json of page) {
        writer.addSize(json.length);
        stored.push(JSON.parse(json));
      }
    }
    return stored;
  }

  /** Requests the stop of a run, and resolves when its end is recorded. `undefined`: there is no such run. */
  async stop(address: string, request: StopRequest, timeoutMs?: number): Promise<RunStopped | undefined> {
    const result = await this.records.change(address, (record) => decideStop(request, record));
    if (result.type === 'none') return undefined;
    if (result.type === 'ended') return toStopped(result.view);
    const { run, leaseMs } = result.view;
    const ended = await waitForEnd(this.records, {
      address,
      run,
      timeoutMs: timeoutMs ?? leaseMs + STOP_GRACE_MS,
      signal: this.#closing.signal,
    });
    return ended === undefined ? undefined : toStopped(ended);
  }

  /**
   * Refuses starts, waits for the sources of this process, and then ends their runs. Until `drained` settles, requests
   * may stop runs of other processes.
   */
  async close(graceMs: number, drained: Promise<unknown> = Promise.resolve()): Promise<void> {
    this.#isClosed = true;
    const { clock } = this.#options;
    if (graceMs > 0 && this.#producing.size > 0) {
      await new Promise<void>((resolve) => {
        const timer = clock.after(graceMs, resolve, { keepsAlive: true });
        void Promise.allSettled(this.#producing.values()).then(() => {
          timer.clear();
          resolve();
        });
      });
    }
    await this.#endProducers();
    await drained;
    // A stop, or a start that replaces, may wait for a run of another process.
    this.#closing.abort();
    await Promise.allSettled(this.#starting);
    await this.#endProducers();
  }

  async #endProducers(): Promise<void> {
    for (const writer of this.#producing.keys()) writer.close();
    await Promise.allSettled(this.#producing.values());
  }

  #randomText(): string {
    const digits = (): string =>
      Math.floor(this.#options.clock.random() * 36 ** 4)
        .toString(36)
        .padStart(4, '0');
    return digits() + digits();
  }
}

function toStopped({ run, end }: RunView): RunStopped {
  return { run, outcome: end!.outcome };
}

function conflictOf(address: string, { key }: RunView): LinefeedError {
  return refusal(
    'idempotency_conflict',
    `The key ${JSON.stringify(key)} was used at ${address} for a run with another input; use a new key for a new run.`,
    { address },
  );
}

function busy(address: string, { run }: RunView): LinefeedError {
  return refusal('run_busy', `The run ${run} is running at ${address}.`, { address, retryable: true });
}

/** Bounds the runs of a principal: a record for each principal holds one slot for each of its runs. */
import { refusal } from '@linefeed/shared/wire';
import { runningOf } from './expiry.ts';
import type { PresentRecord, Slot } from './record-state.ts';
import type { RunRecords } from './run-records.ts';

export interface SlotRequest {
  readonly principal: string;
  readonly address: string;
  readonly slot: string;
  /** The run cannot run longer. Milliseconds. */
  readonly maxMs: number;
}

/** A start whose claim takes longer than this is over. Its slot is free if no run has it. */
const CLAIM_MS = 30_000;
/** A run without a maximum duration keeps its slot this long, if no other start needs it. */
const LONGEST_MS = 7 * 24 * 3_600_000;

export class PrincipalSlots {
  readonly #records: RunRecords;
  readonly #max: number;

  constructor(records: RunRecords, max: number) {
    this.#records = records;
    this.#max = max;
  }

  /**
   * Takes a slot before the claim. If none is free, slots of runs that have ended are freed.
   *
   * @throws LinefeedError (as a rejection) `too_many_runs`
   */
  async take(request: SlotRequest): Promise<void> {
    if (await this.#tryTake(request, new Set())) return;
    const ended = await this.#findEnded(request.principal);
    if (ended.size > 0 && (await this.#tryTake(request, ended))) return;
    throw refusal(
      'too_many_runs',
      `This principal has ${this.#max} runs, the maximum (maxRunsPerPrincipal); wait for the end of one, or stop one.`,
    );
  }

  #tryTake({ principal, address, slot, maxMs }: SlotRequest, ended: ReadonlySet<string>): Promise<boolean> {
    return this.#records.change(keyOf(principal), (record) => {
      const kept = slotsOf(record).filter((held) => !ended.has(held.slot));
      if (kept.some((held) => held.slot === slot)) return { result: true };
      if (kept.length >= this.#max) return { result: false };
      const taken = { address, slot, at: record.now, until: record.now + Math.min(maxMs, LONGEST_MS) };
      return { result: true, write: toWrite(record, [...kept, taken]) };
    });
  }

  async #findEnded(principal: string): Promise<ReadonlySet<string>> {
    const record = await this.#records.present(keyOf(principal));
    const ended = new Set<string>();
    for (const { address, slot, at, until } of slotsOf(record)) {
      const { state, now } = await this.#records.present(address);
      const isTaken = runningOf(state)?.slot === slot || now < at + CLAIM_MS;
      if (!isTaken || now >= until) ended.add(slot);
    }
    return ended;
  }

  async release(principal: string, slot: string): Promise<void> {
    await this.#records.change(keyOf(principal), (record) => {
      const held = slotsOf(record);
      const kept = held.filter((other) => other.slot !== slot);
      return { result: undefined, write: kept.length < held.length ? toWrite(record, kept) : undefined };
    });
  }
}

function keyOf(principal: string): string {
  return `~principal:${principal}`;
}

function slotsOf({ state }: PresentRecord): readonly Slot[] {
  return state.slots ?? [];
}

function toWrite(record: PresentRecord, slots: readonly Slot[]) {
  return { record: { ...record, state: { ...record.state, slots } }, leaseMs: 0 };
}

/** The data of a log in `MemoryServer`. */
import { BEGINNING, type Position } from '@linefeed/shared/wire';
import { sequenceOf, tagOf } from '../src/lib/log/remote/position.ts';
import type { BatchAnswer, ServerHead, TailEvent } from '../src/lib/log/remote/remote-store.ts';

export interface HeldEvent extends TailEvent {
  readonly appendedAt: number;
  readonly key: string | undefined;
}

export type Outcome = BatchAnswer['outcomes'][number];

/** All data of the server. It can be copied: a backup, a replica. */
export interface LogData {
  epoch: string;
  parent: string | undefined;
  head: Position;
  /** In position order. */
  events: HeldEvent[];
  /** First sequence and tag of each batch, oldest first. */
  batches: Array<{ readonly first: number; readonly tag: string }>;
  /** Batches up to this position are forgotten. */
  forgottenBatches: Position;
  writers: Map<string, { readonly number: number; readonly outcomes: readonly Outcome[] }>;
  /** Last position of each address with held events. */
  last: Map<string, Position>;
  watermarks: Map<string, Position>;
  forgottenThrough: Position;
  /** Newest position that was evicted, of any address. */
  evicted: Position;
}

export function createData(epoch: string): LogData {
  return {
    epoch,
    parent: undefined,
    head: BEGINNING,
    events: [],
    batches: [],
    forgottenBatches: BEGINNING,
    writers: new Map(),
    last: new Map(),
    watermarks: new Map(),
    forgottenThrough: BEGINNING,
    evicted: BEGINNING,
  };
}

export function headOf({ epoch, parent, head }: LogData): ServerHead {
  return { epoch, position: head, parent };
}

export function contains({ batches, head }: LogData, position: Position): boolean {
  if (position === BEGINNING) return true;
  const sequence = sequenceOf(position);
  const batch = batches.findLast(({ first }) => first <= sequence);
  return sequence <= sequenceOf(head) && batch?.tag === tagOf(position);
}

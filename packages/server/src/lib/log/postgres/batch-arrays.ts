/** The entries of a batch as arrays for a statement. */
import { numbers, texts } from '../../database/postgres/arrays.ts';
import { sizeOf } from '../bounds.ts';
import type { LogEntry } from '../log.ts';

export interface KeyedEntry {
  readonly entry: LogEntry;
  readonly key: string | undefined;
}

interface AddressOfBatch {
  /** From 1, in order of the first entry. */
  readonly index: number;
  /** Entries to store as events: those past the newest value. */
  count: number;
  /** Ordinals of the last entry and of the newest value, or 0. */
  last: number;
  value: number;
}

/** The parameters of `append` from `latests` on, in the order of `PLANNED`. */
export function toArrays(entries: readonly KeyedEntry[]): Array<string | null> {
  const addresses = new Map<string, AddressOfBatch>();
  const indexes: number[] = [];
  const prevs: number[] = [];
  for (const [before, { entry }] of entries.entries()) {
    let found = addresses.get(entry.address);
    if (found === undefined) {
      found = { index: addresses.size + 1, count: 0, last: 0, value: 0 };
      addresses.set(entry.address, found);
    }
    indexes.push(found.index);
    prevs.push(found.last);
    found.last = before + 1;
    found.count += 1;
    if (entry.keep === 'latest') {
      found.value = found.last;
      found.count = 0;
    }
  }
  const isKeyed = entries.some(({ key }) => key !== undefined);
  const perAddress = [...addresses.values()];
  return [
    isKeyed ? numbers(entries.map(({ entry }) => (entry.keep === 'latest' ? 1 : 0))) : null,
    texts([...addresses.keys()]),
    numbers(perAddress.map(({ count }) => count)),
    numbers(perAddress.map(({ last }) => last)),
    numbers(perAddress.map(({ value }) => value)),
    numbers(indexes),
    numbers(prevs),
    texts(entries.map(({ entry }) => entry.data)),
    isKeyed ? texts(entries.map(({ key }) => key)) : null,
    numbers(entries.map(({ entry }) => entry.data.length)),
    numbers(entries.map(({ entry, key }) => sizeOf(entry, key))),
  ];
}

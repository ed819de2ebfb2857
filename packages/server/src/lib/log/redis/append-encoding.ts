/** The arguments of the append script for a batch, and the outcomes in its reply. */
import { LinefeedError } from '@linefeed/shared/wire';
import { sizeOf } from '../bounds.ts';
import { conflictOf } from '../idempotency.ts';
import type { BatchAnswer, BatchedAppend } from '../remote/remote-store.ts';
import { readPosition, toPosition, type Spot } from './positions.ts';
import { TAIL_ENTRY_EVENTS, TAIL_ENTRY_SIZE } from './script-append.ts';

type Outcome = BatchAnswer['outcomes'][number];

export interface EncodedAppends {
  /** Fields of the script's input. */
  readonly fields: object;
  /** Addresses, payloads and idempotency keys, each as an argument of its own. */
  readonly values: readonly string[];
}

export function encodeAppends(appends: readonly BatchedAppend[]): EncodedAppends {
  const addresses = new Map<string, number>();
  const data: string[] = [];
  const keys: string[] = [];
  const en: number[] = [];
  const ky: number[] = [];
  let size = 0;
  for (const [index, { entries, idempotencyKey }] of appends.entries()) {
    for (const entry of entries) {
      let at = addresses.get(entry.address);
      if (at === undefined) addresses.set(entry.address, (at = addresses.size + 1));
      data.push(entry.data);
      size += sizeOf(entry);
      en.push(at, entry.keep === 'latest' ? 1 : 0, entry.data.length);
    }
    if (idempotencyKey === undefined) continue;
    keys.push(idempotencyKey);
    ky.push(index + 1, data.length, idempotencyKey.length);
  }
  const names = [...addresses.keys()];
  return {
    fields: {
      ad: names.map(({ length }) => length),
      en,
      ap: appends.map(({ entries }) => entries.length),
      ky,
      small: size <= TAIL_ENTRY_SIZE && data.length <= TAIL_ENTRY_EVENTS,
    },
    values: [...names, ...data, ...keys],
  };
}

/** The error for a value that the server does not take: it would end the connection, and reject the whole batch. */
export function refuseLarge(
  { entries }: BatchedAppend,
  name: string,
  maxValueBytes: number,
): LinefeedError | undefined {
  const tooLarge = entries.find((entry) => {
    const size = sizeOf(entry);
    return size * 3 > maxValueBytes && new TextEncoder().encode(entry.data).length > maxValueBytes;
  });
  if (tooLarge === undefined) return undefined;
  const { address, data } = tooLarge;
  return new LinefeedError(
    'payload_too_large',
    `A payload of ${data.length} characters at ${address} is larger than the ${maxValueBytes} bytes that the server of ${name} takes; publish less at once, or raise its \`proto-max-bulk-len\`.`,
    { status: 413, address },
  );
}

export function readOutcomes(
  appends: readonly BatchedAppend[],
  before: Spot,
  after: Spot,
  exceptions: string,
): Outcome[] {
  const found = new Map(exceptions.split(',').map((text) => text.split(':') as [string, string]));
  let { sequence } = before;
  return appends.map(({ entries, idempotencyKey }, index): Outcome => {
    const exception = found.get(String(index));
    if (exception === 'C') return conflictOf(entries[0]!.address, idempotencyKey!);
    if (exception !== undefined) return { position: readPosition(exception.slice(1)), duplicate: true };
    sequence += entries.length;
    const spot = sequence === before.sequence ? before : { sequence, tag: after.tag };
    return { position: toPosition(spot), duplicate: false };
  });
}

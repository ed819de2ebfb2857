/** The statements that call the functions of a log, and the meaning of their answers. */
import type { Position } from '@linefeed/shared/wire';
import type { ServerHead, TailEvent } from '../remote/remote-store.ts';
import type { Row } from '../../database/postgres/driver.ts';
import { positionOf, toPosition } from './positions.ts';
import type { Names } from './tables.ts';

/** Each parameter is a text that the server converts: client libraries then need not know its type. */
function call(name: string, types: string): string {
  const parameters = types.split(' ').map((type, index) => `($${index + 1}::text)::${type}`);
  return `${name}(${parameters.join(', ')})`;
}

const KNOWN = 'text bigint';
const BOUNDS = 'bigint bigint bigint bigint';
const ARRAYS = 'boolean[] text[] int[] int[] int[] int[] int[] text[] text[] int[] int[]';

export interface Statements {
  readonly append: string;
  readonly move: string;
  readonly age: string;
  readonly renew: string;
  readonly page: string;
  readonly tail: string;
  readonly holds: string;
  readonly publish: string;
}

export function statementsOf(t: Names): Statements {
  const one = (name: string, types: string): string => `SELECT ${call(name, types)}::text AS answer`;
  return {
    append: one(t.append, `${KNOWN} text text bigint int ${BOUNDS} boolean ${ARRAYS}`),
    move: one(t.move, `${KNOWN} text int ${BOUNDS} boolean`),
    age: one(t.age, BOUNDS),
    renew: one(t.renew, `${KNOWN} text`),
    page: `SELECT * FROM ${call(t.page, `${KNOWN} bigint bigint text[] bigint[] bigint int bigint`)}`,
    tail: `SELECT * FROM ${call(t.tail, `${KNOWN} bigint int bigint`)}`,
    holds: `SELECT ${t.holds}(($1::text)::bigint)::text AS answer, epoch FROM ${t.head}`,
    publish: `INSERT INTO ${t.outbox} (address, latest, key, units, bytes, data)
      SELECT u.address, u.latest, u.key, u.units, u.bytes, u.data
      FROM unnest(($1::text)::text[], ($2::text)::boolean[], ($3::text)::text[], ($4::text)::int[], ($5::text)::int[],
        ($6::text)::text[]) WITH ORDINALITY AS u(address, latest, key, units, bytes, data, ord) ORDER BY u.ord`,
  };
}

// Answers -------------------------------------------------------------------------------------------------------------

/** The first row of a page or of the tail. */
export interface HeadRow {
  readonly head: ServerHead;
  readonly flags: readonly string[];
  readonly through: Position;
}

export function readHead({ at, name, prev, data }: Row): HeadRow {
  const words = data!.split(' ');
  const through = toPosition(words.pop()!);
  return { head: headOf(name!, prev ?? undefined, toPosition(at!)), flags: words, through };
}

function headOf(epoch: string, parent: string | undefined, position: Position): ServerHead {
  return { epoch, position, parent };
}

export function readEvent({ kind, at, name, prev, data }: Row): TailEvent {
  return {
    address: name!,
    data: data!,
    position: toPosition(at!),
    prev: prev === null ? undefined : toPosition(prev!),
    keep: kind === 'value' ? 'latest' : 'all',
  };
}

/** The answer of an append. */
export interface AppendedRow {
  readonly before: ServerHead;
  readonly after: ServerHead;
  /** The position of the entry with this ordinal, or how its key was used before. */
  outcomeOf(ordinal: number): { readonly position: Position; readonly duplicate: boolean } | undefined;
}

/** `<epoch> <parent> <before> <after> <origin>.<tag>,<outcomes>`; see functions.ts and put-functions.ts. */
export function readAppended(answer: string, entries: number): AppendedRow {
  const [epoch, parentText, before, after, stored] = answer.split(' ') as [
    string,
    string,
    string,
    string,
    string,
  ];
  const [first, ...outcomes] = stored.split(',') as [string, ...string[]];
  const [origin, tag] = first.split('.').map(Number) as [number, number];
  const parent = parentText === '-' ? undefined : parentText;
  const used = new Map<number, string>();
  for (const outcome of outcomes) {
    const [, ordinal, rest] = /^(\d+)(.+)$/.exec(outcome) ?? [];
    if (ordinal !== undefined) used.set(Number(ordinal), rest!);
  }
  // Entries whose key was used before take no sequence.
  const sequences: number[] = [];
  let sequence = origin;
  for (let ordinal = 1; ordinal <= entries; ordinal += 1) {
    if (!used.has(ordinal)) sequence += 1;
    sequences[ordinal] = sequence;
  }
  return {
    before: headOf(epoch, parent, toPosition(before)),
    after: headOf(epoch, parent, toPosition(after)),
    outcomeOf(ordinal) {
      const use = used.get(ordinal);
      if (use === undefined) return { position: positionOf(sequences[ordinal]!, tag), duplicate: false };
      if (use === '!') return undefined;
      const value = use.slice(1);
      const position = use.startsWith('=') ? toPosition(value) : positionOf(sequences[Number(value)]!, tag);
      return { position, duplicate: true };
    },
  };
}

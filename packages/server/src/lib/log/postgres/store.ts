/** A log in PostgreSQL, as `RemoteLog` uses it. */
import { BEGINNING, invalidOption, type Position } from '@linefeed/shared/wire';
import type { Clock } from '../../base/clock.ts';
import { ignore } from '../../base/promise.ts';
import type { DEFAULT_BOUNDS } from '../bounds.ts';
import { conflictOf } from '../idempotency.ts';
import type { ReadQuery } from '../log.ts';
import type {
  AppendBatch,
  BatchAnswer,
  CallContext,
  PageAnswer,
  RemoteStore,
  ServerHead,
  TailAnswer,
  TailQuery,
} from '../remote/remote-store.ts';
import { numbers, texts } from '../../database/postgres/arrays.ts';
import { toArrays, type KeyedEntry } from './batch-arrays.ts';
import type { Driver, Row, Session, Values } from '../../database/postgres/driver.ts';
import type { DatabaseUse } from '../../database/use.ts';
import { toPostgresError } from '../../database/postgres/errors.ts';
import { randomTag, toInteger, toPosition } from './positions.ts';
import {
  readAppended,
  readEvent,
  readHead,
  statementsOf,
  type HeadRow,
  type Statements,
} from './statements.ts';
import type { Names } from './tables.ts';
import { TailConnection } from './tail-connection.ts';

/** No bound. */
const NO_LIMIT = '9223372036854775807';

export interface StoreOptions {
  /** For messages. */
  readonly name: string;
  readonly use: DatabaseUse;
  readonly driver: Driver;
  readonly names: Names;
  readonly bounds: typeof DEFAULT_BOUNDS;
  readonly clock: Clock;
  /** Times come from the server, unless a test has its own clock: clocks of processes differ. */
  readonly usesServerClock: boolean;
  readonly pollMs: number;
  readonly listen: boolean;
  /** Reports what the mover could not append. */
  readonly onConflicts: (count: number) => void;
}

export class PostgresStore implements RemoteStore {
  readonly name: string;
  readonly tail: TailConnection;
  readonly #options: StoreOptions;
  readonly #sql: Statements;

  constructor(options: StoreOptions) {
    const { name, names, driver, clock, pollMs, listen } = options;
    this.#options = options;
    this.#sql = statementsOf(names);
    this.name = name;
    this.tail = new TailConnection({ driver, head: names.head, clock, pollMs, listen });
  }

  // Appending ---------------------------------------------------------------------------------------------------------

  async append(batch: AppendBatch, context: CallContext): Promise<BatchAnswer> {
    const { clock, listen } = this.#options;
    const faults = batch.appends.map(({ entries, idempotencyKey }) =>
      [idempotencyKey, ...entries.flatMap(({ address, data }) => [address, data])].some(hasNull),
    );
    const keyed: KeyedEntry[] = [];
    for (const [index, { entries, idempotencyKey }] of batch.appends.entries()) {
      if (faults[index] === false) for (const entry of entries) keyed.push({ entry, key: idempotencyKey });
    }
    const answer = await this.#call(this.#options.driver, this.#sql.append, context, [
      ...known(context),
      context.nextEpoch,
      batch.writer,
      String(batch.number),
      String(randomTag(clock.random())),
      ...this.#bounds(context),
      String(listen),
      ...toArrays(keyed),
    ]);
    const { before, after, outcomeOf } = readAppended(answer, keyed.length);
    if (after.position !== before.position) this.tail.wake();
    let last = 0;
    const outcomes = batch.appends.map(({ entries, idempotencyKey }, index) => {
      if (faults[index] === true) return nullCharacter();
      last += entries.length;
      if (entries.length === 0) return { position: before.position, duplicate: false };
      return outcomeOf(last) ?? conflictOf(entries[0]!.address, idempotencyKey!);
    });
    return { before, after, outcomes };
  }

  // Reading -----------------------------------------------------------------------------------------------------------

  async read(query: ReadQuery, context: CallContext): Promise<PageAnswer> {
    const { after } = query;
    const starts = [...query.addresses.values()].map((floor) =>
      laterInteger(toInteger(after), toInteger(floor)),
    );
    const read = async (): Promise<[HeadRow, Row[]]> => {
      const [first, ...rows] = await this.#query(this.#options.driver, this.#sql.page, context, [
        ...known(context),
        this.#now(context),
        limitOf(this.#options.bounds.maxAgeMs),
        texts([...query.addresses.keys()]),
        numbers(starts),
        toInteger(after),
        limitOf(query.limit, '2147483646'),
        limitOf(query.maxBytes),
      ]);
      return [readHead(first!), rows];
    };
    let [head, rows] = await read();
    const [lost, due] = head.flags;
    if (due === 'due') await this.#call(this.#options.driver, this.#sql.age, context, this.#bounds(context));
    if (lost === 'lost') await this.#renew(this.#options.driver, context);
    if (due === 'due' || lost === 'lost') [head, rows] = await read();
    const marks = rows.filter(({ kind }) => kind === 'mark');
    const isPast = head.head.position !== head.through && toInteger(after).length > 18;
    return {
      head: head.head,
      epoch: head.head.epoch,
      events: rows.filter(({ kind }) => kind === 'event').map(readEvent),
      // A position past the range of integers is past every event.
      through: isPast ? after : head.through,
      evictedThrough: new Map(marks.map(({ name, at }) => [name!, toPosition(at!)])),
    };
  }

  async head(context: CallContext): Promise<ServerHead> {
    const query = { after: BEGINNING, addresses: new Map<string, Position>(), limit: 1, maxBytes: 1 };
    return (await this.read(query, context)).head;
  }

  async contains(position: Position, context: CallContext): Promise<boolean> {
    const [row] = await this.#query(this.#options.driver, this.#sql.holds, context, [toInteger(position)]);
    return row!['answer'] === 'true' && row!['epoch'] === context.known.epoch;
  }

  // The tail ----------------------------------------------------------------------------------------------------------

  async follow(query: TailQuery, context: CallContext): Promise<TailAnswer> {
    const { clock } = this.#options;
    const end = clock.now() + query.waitMs;
    const session = await this.#onTail(() => this.tail.open(context.signal));
    for (;;) {
      this.tail.expect();
      const [answer, hasOutbox] = await this.#onTail(() => this.#readTail(session, query, context));
      const hasMoved = hasOutbox && (await this.#onTail(() => this.#move(session, context)));
      const isNews = answer.head.epoch !== context.known.epoch || answer.through !== query.after;
      if (isNews || (!hasMoved && clock.now() >= end)) return answer;
      if (!hasMoved) await this.tail.wait(end - clock.now(), context.signal);
    }
  }

  async #readTail(
    session: Session,
    query: TailQuery,
    context: CallContext,
  ): Promise<[answer: TailAnswer, hasOutbox: boolean]> {
    const read = async (): Promise<[HeadRow, Row[]]> => {
      const [first, ...rows] = await this.#query(session, this.#sql.tail, context, [
        ...known(context),
        toInteger(query.after),
        limitOf(query.limit, '2147483646'),
        limitOf(query.maxBytes),
      ]);
      return [readHead(first!), rows];
    };
    let [{ head, flags, through }, rows] = await read();
    if (flags[0] === 'lost') {
      await this.#renew(session, context);
      [{ head, flags, through }, rows] = await read();
    }
    const events = rows.map(readEvent);
    // Superseded values past the last event are passed by the next read.
    const last = events.at(-1)?.position ?? through;
    const answer = { head, events, through: last, trimmed: flags[1] === 'trimmed' };
    return [answer, flags[2] === 'outbox'];
  }

  /** Moves committed rows of the outbox to the log. Any process may: one at a time has the lock. */
  async #move(session: Session, context: CallContext): Promise<boolean> {
    const { clock, listen, onConflicts } = this.#options;
    const answer = await this.#call(session, this.#sql.move, context, [
      ...known(context),
      context.nextEpoch,
      String(randomTag(clock.random())),
      ...this.#bounds(context),
      String(listen),
    ]);
    const [moved, conflicts] = answer.split(' ').map(Number) as [number, number];
    if (conflicts > 0) onConflicts(conflicts);
    return moved > 0;
  }

  /** After an error the state of the connection is not known. The next call opens a new one. */
  async #onTail<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      this.tail.close();
      throw toPostgresError(error, this.#options);
    }
  }

  reconnect(): void {
    this.tail.close();
  }

  close(): void {
    this.tail.close();
    this.#options.driver.close();
  }

  // Statements --------------------------------------------------------------------------------------------------------

  async #renew(session: Session, context: CallContext): Promise<void> {
    await this.#call(session, this.#sql.renew, context, [...known(context), context.nextEpoch]);
  }

  async #call(session: Session, text: string, context: CallContext, values: Values): Promise<string> {
    const [row] = await this.#query(session, text, context, values);
    return row!['answer'] ?? '';
  }

  async #query(
    session: Session,
    text: string,
    { signal }: CallContext,
    values: Values,
  ): Promise<readonly Row[]> {
    const query = session.query(text, values, signal);
    // If the signal aborts, its rejection is not awaited.
    query.catch(ignore);
    try {
      return await query;
    } catch (error) {
      throw toPostgresError(error, this.#options);
    }
  }

  #now({ wallNow }: CallContext): string | null {
    return this.#options.usesServerClock ? null : String(Math.floor(wallNow));
  }

  #bounds(context: CallContext): Values {
    const { maxEvents, maxBytes, maxAgeMs } = this.#options.bounds;
    return [this.#now(context), limitOf(maxEvents), limitOf(maxBytes), limitOf(maxAgeMs)];
  }
}

function known({ known: { epoch, position } }: CallContext): [string, string] {
  return [epoch, toInteger(position)];
}

function limitOf(limit: number, none: string = NO_LIMIT): string {
  return limit < Number(none) ? String(Math.ceil(limit)) : none;
}

function laterInteger(a: string, b: string): string {
  return a.length > b.length || (a.length === b.length && a > b) ? a : b;
}

/** PostgreSQL stores every character but this one. JSON escapes it, so payloads of `publish` do not have it. */
function hasNull(text: string | undefined): boolean {
  return text?.includes('\0') === true;
}

export function nullCharacter(): Error {
  return invalidOption(
    'PostgreSQL cannot store the character U+0000 in an address, an idempotency key, or outside of a JSON string; leave it out.',
  );
}

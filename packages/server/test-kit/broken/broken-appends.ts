/** Logs that break a promise about appends and their keys. */
import { BEGINNING, LinefeedError } from '@linefeed/shared/wire';
import type { Appended, LogEntry } from '../../src/lib/log/log.ts';
import { broken, type BrokenLog, type Change } from './broken-log.ts';

const onEntry =
  (change: () => (entry: LogEntry) => LogEntry): Change =>
  (log) => {
    const changeOne = change();
    return { append: (entries, options) => log.append(entries.map(changeOne), options) };
  };

/** Results of appends by a key. */
const remembering =
  (keyOf: (entry: LogEntry, key: string) => string): Change =>
  (log) => {
    const results = new Map<string, Appended>();
    return {
      async append(entries, options) {
        const key = options?.idempotencyKey;
        if (typeof key !== 'string' || entries.length !== 1) return await log.append(entries, options);
        const id = keyOf(entries[0]!, key);
        const earlier = results.get(id);
        if (earlier !== undefined) return { ...earlier, duplicate: true };
        const appended = await log.append(entries, options);
        results.set(id, appended);
        return appended;
      },
    };
  };

function isCode(error: unknown, code: string): boolean {
  return LinefeedError.is(error) && error.code === code;
}

export const BROKEN_APPENDS: readonly BrokenLog[] = [
  broken('has a position before its first event', ['an empty log has position 0'], (log) => ({
    async newest() {
      const newest = await log.newest();
      return newest.position === BEGINNING ? { ...newest, position: '1aaaa' } : newest;
    },
  })),
  broken(
    'returns the position before an append',
    ['positions increase with every append, across all addresses'],
    (log) => ({
      async append(entries, options) {
        const { position } = await log.newest();
        return { ...(await log.append(entries, options)), position };
      },
    }),
  ),
  broken(
    'changes the order of concurrent appends',
    ['concurrent appends take effect in the order of their calls'],
    (log, _, { clock }) => {
      let calls = 0;
      return {
        async append(entries, options) {
          calls += 1;
          if (calls % 2 === 1) await new Promise<void>((resolve) => void clock.after(100, resolve));
          return await log.append(entries, options);
        },
      };
    },
  ),
  broken(
    'reverses the entries of an append',
    [
      'entries of one append keep their order, and the result has the position of the last one',
      'events of many busy and quiet addresses are merged in order',
    ],
    (log) => ({ append: (entries, options) => log.append(entries.toReversed(), options) }),
  ),
  broken(
    'ignores idempotency keys',
    ['a repeated idempotency key appends nothing and returns the first position'],
    (log) => ({ append: (entries) => log.append(entries) }),
  ),
  broken(
    'knows only the idempotency keys of the same handle',
    [
      'an idempotency key that two handles use at once appends one event',
      'appends of two handles in turns have one order, and prev is right across them',
    ],
    (log, index) => ({
      append: (entries, options) =>
        log.append(entries, {
          idempotencyKey: options?.idempotencyKey && `${index} ${options.idempotencyKey}`,
        }),
    }),
  ),
  broken(
    'ignores the payload of a repeated key',
    ['an idempotency key with another payload is a conflict and appends nothing'],
    (log) => ({
      async append(entries, options) {
        try {
          return await log.append(entries, options);
        } catch (error) {
          if (!isCode(error, 'idempotency_conflict')) throw error;
          return { ...(await log.newest()), duplicate: true };
        }
      },
    }),
  ),
  broken(
    'rejects the appends that are concurrent with a conflict',
    ['an idempotency conflict does not affect concurrent appends'],
    (log) => {
      let together: Array<Promise<Appended>> = [];
      return {
        async append(entries, options) {
          const append = Promise.resolve(log.append(entries, options));
          together.push(append);
          await Promise.all(together).finally(() => (together = []));
          return await append;
        },
      };
    },
  ),
  broken(
    'ignores the address of an idempotency key',
    ['an idempotency key applies only to its address'],
    remembering((_, key) => key),
  ),
  broken(
    'never forgets an idempotency key',
    [
      'an idempotency key is forgotten when its event is evicted',
      'an idempotency key is forgotten when its event is too old',
    ],
    remembering(({ address }, key) => `${address} ${key}`),
  ),
  broken(
    'accepts every idempotency key',
    [
      'an idempotency key with several entries is refused',
      'an idempotency key that is not a string, is empty or has more than 256 bytes is refused',
    ],
    (log) => ({
      append: (entries, options) =>
        log.append(entries, {
          idempotencyKey:
            entries.length > 1 ? undefined : String(options?.idempotencyKey).slice(0, 60) || 'none',
        }),
    }),
  ),
  broken('does not count idempotency keys', ['idempotency keys count towards maxBytes'], (log) => {
    const keys = new Map<string, string>();
    return {
      append(entries, options) {
        const key = String(options?.idempotencyKey);
        if (!keys.has(key)) keys.set(key, `${keys.size}`);
        return log.append(entries, { idempotencyKey: keys.get(key) });
      },
    };
  }),
  broken(
    'acknowledges an append that it does not store',
    ['two concurrent writers lose no event and keep their own order'],
    (log) => {
      let calls = 0;
      return {
        async append(entries, options) {
          calls += 1;
          return calls % 37 === 0
            ? { ...(await log.newest()), duplicate: false }
            : await log.append(entries, options);
        },
      };
    },
  ),
  broken(
    'accepts appends after it was closed',
    ['a closing log finishes pending appends and refuses later ones'],
    () => ({ close: () => undefined }),
  ),
  broken(
    'keeps every value of keep: latest',
    [
      'keep: latest holds only the newest value and reports no gap',
      'a value that is superseded between two pages is skipped without a gap',
      'a topic that changes to keep: latest keeps only its newest value',
      'the newest value of keep: latest does not expire',
      'keep: all events evict no keep: latest values, and keep: latest values evict no keep: all events',
      'keep: latest values are evicted past maxEvents, and a new value of their address leaves no gap',
    ],
    onEntry(() => (entry) => ({ ...entry, keep: 'all' })),
  ),
  broken(
    'remembers the first keep of an address',
    ['a topic that changes from keep: latest to keep: all loses no event'],
    onEntry(() => {
      const kept = new Map<string, LogEntry['keep']>();
      return (entry) => {
        if (!kept.has(entry.address)) kept.set(entry.address, entry.keep);
        return { ...entry, keep: kept.get(entry.address)! };
      };
    }),
  ),
];

/** The options of a store of runs in a SQLite file, and their defaults and checks. */
import { checkOptions, LinefeedError } from '@linefeed/shared/wire';
import { systemClock, type Clock } from '../../base/clock.ts';
import type { FileOptions } from '../../database/sqlite/open-file.ts';
import { checkPath } from '../../database/sqlite/path.ts';
import { RUNS_FILE } from './schema.ts';

/** The options of `sqliteRuns`. */
export interface SqliteRunsOptions {
  /**
   * The path of the file; its directory must exist. SQLite keeps `<path>-wal` and `<path>-shm` beside it. It is not the
   * file of a `sqliteLog`.
   */
  readonly path: string;
  /**
   * Durability after a stop of the operating system (power, kernel). The end of a process, `kill -9` included, loses
   * nothing in either mode.
   *
   * - `normal`: the newest commits may be lost. Such a run ends `lost`, or is continued, before events that readers have
   *   seen.
   * - `full`: nothing is lost. Every commit waits for the disk.
   *
   * @default `normal`
   */
  readonly synchronous?: 'normal' | 'full' | undefined;
  /** @internal */
  readonly clock?: Clock | undefined;
}

/** @throws LinefeedError `invalid_option` */
export function resolveOptions(options: SqliteRunsOptions): FileOptions {
  checkOptions('sqliteRuns', options, { path: 'any', synchronous: 'any', clock: 'hidden' });
  const { clock = systemClock, synchronous = 'normal' } = options;
  const path = checkPath('sqliteRuns', options.path, 'for runs in memory use memoryRuns');
  if (synchronous !== 'normal' && synchronous !== 'full') {
    throw new LinefeedError(
      'invalid_option',
      `synchronous must be "normal" or "full", not ${JSON.stringify(synchronous)}.`,
    );
  }
  return { path, synchronous, clock, kind: RUNS_FILE };
}

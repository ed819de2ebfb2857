/** Where a subscription starts: usable cursors, and some that no log has. */
import type { Chance } from './clock.ts';
import type { WorldLog } from './world-log.ts';
import type { Traits } from './traits.ts';

export interface StartOptions {
  readonly chance: Chance;
  readonly log: WorldLog;
  readonly traits: Traits;
}

/** The `from` of a subscription. Undefined: it has none. */
export function chooseStart(address: string, { chance, log, traits }: StartOptions): string | undefined {
  const newest = `${log.epoch}.${log.tip()}`;
  if (traits.aheadStarts && chance.is(0.5)) return newest;
  if (chance.is(0.6)) return undefined;
  if (chance.is(0.3)) return 'earliest';
  const known = log.history.get(log.epoch)?.get(address) ?? [];
  const old = known.length === 0 ? undefined : chance.pick(known);
  return chance.pick([
    'now',
    // A process whose tail lags does not know this position yet.
    newest,
    ...(old === undefined ? [] : [`${log.epoch}.${old.position.toString(36)}`]),
    // Ahead of every log: the last four digits are the tag of a log on a server.
    `${log.epoch}.zzzzzzzzz`,
    'anotherepoch.1a',
  ]);
}

/** Events that may happen in a world besides network faults. The seed draws them. */
import type { Chance } from './clock.ts';

/** Each trait is active in only some of the worlds. So the others still show faults that occur without it. */
const SHARES = {
  /** Hooks of the server and handlers of the client call back: they disconnect, publish, subscribe, unsubscribe. */
  actingHooks: 0.3,
  /** The application disconnects clients at any time. */
  disconnects: 0.3,
  /** Sources write in their first step, never settle, fail before their first value, or throw retryable errors. */
  wildSources: 0.4,
  /** `authorize` is slow, or refuses temporarily. */
  unsureAuthorize: 0.3,
  /** Users begin with streams only, and the log starts anew in that time. */
  streamsFirst: 0.25,
  /** The log answers later, and may fail. Its answers were true at some time in between. */
  slowLog: 0.4,
  /** A custom adapter throws on writes. */
  throwingSinks: 0.25,
  /** Sessions end after some seconds. */
  shortSessions: 0.25,
  /** Pages are reloaded, and keep their cursor. */
  reloads: 0.3,
  /** Subscribers in the process of the server. */
  sessions: 0.2,
  /** Users start at the newest event of the log, which a process that lags does not know yet. */
  aheadStarts: 0.15,
  /**
   * The log is on a server: each node has a handle of its own, and the server and its connections fail. Only with
   * `--trait remoteLog` and for the faults that need it, until some thousand of these worlds have passed.
   */
  remoteLog: 0,
  /** Runs: producers that die, stop and return late, on nodes that share a store. Only with `--trait runs`. */
  runs: 0,
};

export type Traits = Readonly<Record<keyof typeof SHARES, boolean>>;

/** `needed` wins over what the seed draws. */
export function drawTraits(chance: Chance, needed: Partial<Traits> = {}): Traits {
  const drawn = Object.entries(SHARES).map(([name, share]) => [name, chance.is(share)]);
  return { ...(Object.fromEntries(drawn) as Traits), ...needed };
}

/** The measurement of clients that connect all at once, each for a known number of events, and leave. */
import type { Settings } from './case.ts';
import { takeTurns, type Measured } from './fan-out.ts';
import { Pair } from './pair.ts';

export interface Flood {
  readonly variant: string;
  readonly contenders: readonly string[];
  readonly clients: number;
  /** Events for each of them. */
  readonly events: number;
  readonly options: { readonly bytes: number; readonly [option: string]: unknown };
}

/** CPU and time include connecting. */
export async function measureFlood(flood: Flood, settings: Settings): Promise<Measured> {
  const { variant, contenders, clients, events, options } = flood;
  const measure = async (pair: Pair): Promise<Record<string, number>> => {
    await pair.server.call('gc');
    await pair.server.call('watchLoop');
    const before = await pair.cpu();
    // Measured where the last event arrives: polling from here would show its own interval for a short replay.
    const ms = await pair.load.call<number>('flood', { endpoint: pair.endpoint, count: clients, events });
    const after = await pair.cpu();
    const stall = await pair.server.call<number>('longestStall');
    await pair.load.call('disconnect');
    await pair.waitForSubscribers(0);
    const system = after.system - before.system;
    const used = after.user - before.user + system;
    return {
      connectCpu: used / clients,
      cpu: used / clients / events,
      system: system / clients / events,
      rate: (clients * events * 1_000) / ms,
      stall,
    };
  };
  return await takeTurns(
    {
      variant,
      contenders,
      shown: 'cpu',
      start: async ({ name, file, options: own }) => {
        const pair = await Pair.start(name, file, { ...options, ...own });
        try {
          await measure(pair);
          await measure(pair);
          return pair;
        } catch (error) {
          await pair.end();
          throw error;
        }
      },
      measure,
    },
    settings,
  );
}

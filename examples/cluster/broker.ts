/** Starts the server that holds the log, in a temporary folder, unless a running one is given. */
import { join } from 'node:path';
import { CannotStart } from './program.ts';

export interface Broker {
  /** For `openLog`. */
  readonly url: string;
  stop(): Promise<void>;
}

/** `wanted`: a word of `STARTS`, or the URL of a log. @throws CannotStart */
export async function startBroker(wanted: string, folder: string): Promise<Broker> {
  const start = STARTS[wanted];
  if (start !== undefined) return await start(folder);
  // `openLog` checks URLs and paths.
  if (/[:./\\]/.test(wanted)) return { url: wanted, stop: async () => undefined };
  const words = Object.keys(STARTS).join(', ');
  throw new CannotStart(`There is no log "${wanted}". Write one of ${words}, or the URL of a log.`);
}

const STARTS: Readonly<Record<string, (folder: string) => Promise<Broker>>> = {
  async sqlite(folder) {
    return { url: join(folder, 'log.db'), stop: async () => undefined };
  },

  async memory() {
    return { url: 'memory:', stop: async () => undefined };
  },
};

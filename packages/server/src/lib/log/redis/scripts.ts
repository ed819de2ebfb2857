/** Runs the scripts of a Redis log by their hashes, and sends their text if the server does not know them. */
import type { Connection } from './connection.ts';
import { isMissingScript } from './errors.ts';
import { APPEND_SCRIPT } from './script-append.ts';
import { CONTAINS_SCRIPT, PAGE_SCRIPT, SINCE_SCRIPT } from './script-read.ts';

export type ScriptName = 'append' | 'page' | 'since' | 'contains';

const TEXTS: Readonly<Record<ScriptName, string>> = {
  append: APPEND_SCRIPT,
  page: PAGE_SCRIPT,
  since: SINCE_SCRIPT,
  contains: CONTAINS_SCRIPT,
};

/** The keys of a log. They have one hash tag, so that a cluster keeps them on one node. */
export interface LogKeys {
  readonly log: string;
  readonly order: string;
  readonly index: string;
  readonly tail: string;
}

/** Without a hash tag in it, the whole key becomes the hash tag. */
export function keysOf(key: string): LogKeys {
  const base = /\{[^}]+\}/.test(key) ? key : `{${key}}`;
  const name = `${base}:linefeed`;
  return { log: name, order: `${name}:order`, index: `${name}:index`, tail: `${name}:tail` };
}

export class Scripts {
  readonly #keys: LogKeys;
  readonly #hashes: Readonly<Record<ScriptName, string>>;

  static async create(keys: LogKeys): Promise<Scripts> {
    const names = Object.keys(TEXTS) as ScriptName[];
    const hashes = await Promise.all(names.map(async (name) => [name, await sha1(TEXTS[name])] as const));
    return new Scripts(keys, Object.fromEntries(hashes) as Record<ScriptName, string>);
  }

  private constructor(keys: LogKeys, hashes: Readonly<Record<ScriptName, string>>) {
    this.#keys = keys;
    this.#hashes = hashes;
  }

  async run(
    connection: Connection,
    name: ScriptName,
    input: object,
    values: readonly string[],
    signal: AbortSignal,
  ): Promise<unknown> {
    const { log, order, index, tail } = this.#keys;
    const rest = ['4', log, order, index, tail, JSON.stringify(input), ...values];
    try {
      return await connection.send(log, ['EVALSHA', this.#hashes[name], ...rest], signal);
    } catch (error) {
      // The server is new, or its scripts were flushed.
      if (!isMissingScript(error)) throw error;
      return await connection.send(log, ['EVAL', TEXTS[name], ...rest], signal);
    }
  }
}

async function sha1(text: string): Promise<string> {
  const digest = await crypto.subtle.digest('SHA-1', new TextEncoder().encode(text));
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, '0')).join('');
}

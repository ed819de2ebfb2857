/** Runs scripts by their hashes, and sends their text if the server does not know them. */
import type { Connection } from './connection.ts';
import { isMissingScript } from './errors.ts';

export interface ScriptCall {
  /** The first one selects the node of a cluster. */
  readonly keys: readonly [string, ...string[]];
  readonly values: readonly string[];
  readonly signal: AbortSignal;
}

export class Scripts<Name extends string> {
  readonly #texts: Readonly<Record<Name, string>>;
  readonly #hashes: Readonly<Record<Name, string>>;

  static async create<Name extends string>(texts: Readonly<Record<Name, string>>): Promise<Scripts<Name>> {
    const names = Object.keys(texts) as Name[];
    const hashes = await Promise.all(names.map(async (name) => [name, await sha1(texts[name])] as const));
    return new Scripts(texts, Object.fromEntries(hashes) as Record<Name, string>);
  }

  private constructor(texts: Readonly<Record<Name, string>>, hashes: Readonly<Record<Name, string>>) {
    this.#texts = texts;
    this.#hashes = hashes;
  }

  async run(connection: Connection, name: Name, { keys, values, signal }: ScriptCall): Promise<unknown> {
    const [key] = keys;
    const rest = [String(keys.length), ...keys, ...values];
    try {
      return await connection.send(key, ['EVALSHA', this.#hashes[name], ...rest], signal);
    } catch (error) {
      // The server is new, or its scripts were flushed.
      if (!isMissingScript(error)) throw error;
      return await connection.send(key, ['EVAL', this.#texts[name], ...rest], signal);
    }
  }
}

async function sha1(text: string): Promise<string> {
  const digest = await crypto.subtle.digest('SHA-1', new TextEncoder().encode(text));
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** Looks at the server and its settings: refuses a server that is too old, and finds settings that lose data. */
import { LinefeedError } from '@linefeed/shared/wire';
import type { DatabaseUse } from '../use.ts';
import type { Connection } from './connection.ts';
import { isReply } from './errors.ts';

/** A new connection that is not given a value may send such a value at most. Redis' own default. */
const DEFAULT_MAX_VALUE_BYTES = 512 * 1024 * 1024;
const OLDEST_MAJOR = 7;

export interface ServerSettings {
  /** One sentence each, with the remedy. */
  readonly dangers: readonly string[];
  /** Largest value that the server takes, in bytes. */
  readonly maxValueBytes: number;
}

export interface Looking {
  readonly name: string;
  /** A cluster answers by the node of this key. */
  readonly key: string;
  readonly use: DatabaseUse;
  readonly signal: AbortSignal;
}

/** @throws LinefeedError: the server is older than Redis 7. */
export async function readSettings(
  connection: Connection,
  { name, key, use, signal }: Looking,
): Promise<ServerSettings> {
  const ask = async (...command: string[]): Promise<unknown> => {
    try {
      return await connection.send(key, command, signal);
    } catch (error) {
      // The user of the client may not read settings (ACL), or the service hides them.
      if (isReply(error)) return undefined;
      throw error;
    }
  };
  const info = readInfo(await ask('INFO'));
  const config = readConfig(await ask('CONFIG', 'GET', 'save'));
  for (const setting of ['min-replicas-to-write', 'proto-max-bulk-len']) {
    Object.assign(config, readConfig(await ask('CONFIG', 'GET', setting)));
  }
  checkVersion(info, name, use);
  return {
    dangers: findDangers(info, config, use),
    maxValueBytes: Number(config['proto-max-bulk-len'] ?? DEFAULT_MAX_VALUE_BYTES),
  };
}

type Settings = Record<string, string | undefined>;

/** `name:value` in lines. A cluster client may answer with an object by node. */
function readInfo(reply: unknown): Settings {
  if (typeof reply !== 'string') return {};
  const lines = reply.split(/\r?\n/).map((line) => line.split(/:(.*)/, 2));
  return Object.fromEntries(lines.filter(([, value]) => value !== undefined)) as Settings;
}

/** A list of names and values with RESP2, a map with RESP3. */
function readConfig(reply: unknown): Settings {
  if (Array.isArray(reply)) {
    const list = reply as string[];
    return Object.fromEntries(list.flatMap((name, at) => (at % 2 === 0 ? [[name, list[at + 1]]] : [])));
  }
  if (reply instanceof Map) return Object.fromEntries(reply as Map<string, string>);
  return typeof reply === 'object' && reply !== null ? { ...(reply as Settings) } : {};
}

function checkVersion(info: Settings, name: string, { code, factory }: DatabaseUse): void {
  const version = info['redis_version'];
  if (version === undefined || parseInt(version, 10) >= OLDEST_MAJOR) return;
  throw new LinefeedError(
    code,
    `${name} is on a server of version ${version}; a ${factory} needs Redis ${OLDEST_MAJOR} or later, or Valkey.`,
  );
}

function findDangers(info: Settings, config: Settings, { noun, content, expires }: DatabaseUse): string[] {
  const dangers: string[] = [];
  const policy = info['maxmemory_policy'];
  // The policies `volatile-…` evict only keys with an expiry.
  const evicts =
    policy?.startsWith('allkeys-') === true || (expires && policy?.startsWith('volatile-') === true);
  if (evicts && Number(info['maxmemory'] ?? 0) > 0) {
    dangers.push(
      `the server evicts keys when it is out of memory (maxmemory-policy ${policy}), and with them ${expires ? content : `the whole ${noun}`}; set maxmemory-policy to noeviction`,
    );
  }
  // The setting may be hidden, or renamed: nothing is known then.
  if (info['aof_enabled'] === '0') {
    dangers.push(
      config['save'] === ''
        ? `a restart of the server loses the ${noun}, because it writes nothing to its disk (appendonly no, no save); set appendonly to yes`
        : `a crash of the server loses the newest ${content}, because it writes only snapshots to its disk (appendonly no); set appendonly to yes`,
    );
  }
  const replicas = Number(info['connected_slaves'] ?? 0);
  if (replicas > 0 && config['min-replicas-to-write'] === '0') {
    dangers.push(
      'a master that is cut off from its replicas goes on, and what it acknowledges is lost at a failover (min-replicas-to-write 0); set min-replicas-to-write to 1',
    );
  }
  return dangers;
}

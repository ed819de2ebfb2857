/** The scripts of a Redis log, and the keys that they use. */
import { APPEND_SCRIPT } from './script-append.ts';
import { CONTAINS_SCRIPT, PAGE_SCRIPT, SINCE_SCRIPT } from './script-read.ts';

export type ScriptName = 'append' | 'page' | 'since' | 'contains';

export const SCRIPTS: Readonly<Record<ScriptName, string>> = {
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

/** The keys of a log, in the order of the scripts. */
export function allKeys({ log, order, index, tail }: LogKeys): [string, ...string[]] {
  return [log, order, index, tail];
}

/** Checks that the guide mentions every deviation that the tables assert. */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { PARSING } from './conformance/parsing.ts';
import { PLAIN } from './conformance/plain.ts';
import type { Verdict } from './verdict.ts';

const GUIDE = resolve(import.meta.dirname, '../../docs/engines.md');

export function checkGuide(): Verdict[] {
  const text = readFileSync(GUIDE, 'utf8').replaceAll(/\s+/g, ' ');
  const sentences = new Set(
    [...PARSING, ...PLAIN].flatMap(({ deviates = {} }) => Object.values(deviates).map(({ why }) => why)),
  );
  return [...sentences].map((why) => ({
    name: `docs/engines.md lists: ${why}`,
    fault: text.includes(why) ? undefined : 'it does not',
    deviates: false,
  }));
}

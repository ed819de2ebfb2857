import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { ROOT } from '../command.ts';
import { writeNumbers } from './document.ts';

/** The formatter widens the cells of tables. */
const plain = (text: string): string => text.replaceAll(/[ -]{2,}/g, ' ').replaceAll(/ ?:? ?\|/g, ' |');

it('the tables of docs/scaling.md are those of the capacity model', () => {
  const text = readFileSync(join(ROOT, 'docs/scaling.md'), 'utf8');
  expect(text.match(/<!-- capacity: /g)!.length).toBeGreaterThan(4);
  expect(plain(text), 'npx pnpm@12 capacity --update-docs writes them anew').toBe(plain(writeNumbers(text)));
});

it('an unknown name of a table is refused', () => {
  expect(() => writeNumbers('<!-- capacity: bogus -->\n<!-- /capacity -->')).toThrow(
    'There is no table "bogus"',
  );
});

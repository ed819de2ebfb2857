import { expect, test } from 'vitest';
import { compareExportNames, exportedNames } from './export-names.ts';

test('exportedNames reads every form of re-export', () => {
  const declarations = `/** Entry. */
    export { a, b as c } from './lib/a.js';
    export type { D, E as F, } from './lib/d.js';
    export { type G } from './lib/g.js';`;
  expect(exportedNames(declarations)).toEqual(['a', 'c', 'type D', 'type F', 'type G']);
});

test('compareExportNames gives one line for each lost or new name', () => {
  const kept = { '@x/a': ['one', 'two'], '@x/gone': ['three'] };
  const actual = { '@x/a': ['two', 'four'], '@x/new': ['type Five'] };
  expect(compareExportNames(actual, kept)).toEqual([
    '@x/a no longer exports one',
    '@x/a newly exports four',
    '@x/gone no longer exports three',
    '@x/new newly exports type Five',
  ]);
});

test('compareExportNames gives no line for equal lists', () => {
  expect(compareExportNames({ a: ['b'] }, { a: ['b'] })).toEqual([]);
});

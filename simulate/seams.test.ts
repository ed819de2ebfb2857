import { expect, test } from 'vitest';
import { FAULTS } from './faults.ts';
import { findSeams, plantPlan, readSources, type Plan } from './seams.ts';

const plantIn = (text: string, plan: Plan): string | undefined => {
  const sources = new Map([['a.ts', text]]);
  return plantPlan(plan, sources, findSeams(sources)).get('a.ts');
};

test('every seam in the sources of the packages has a simulator fault', () => {
  const planted = new Set(FAULTS.flatMap(({ plan }) => Object.keys(plan)));
  expect([...findSeams(readSources()).keys()].filter((name) => !planted.has(name))).toEqual([]);
});

test('every simulator fault names seams that exist, and its changed sources parse', () => {
  const sources = readSources();
  const seams = findSeams(sources);
  for (const { name, plan } of FAULTS) expect(plantPlan(plan, sources, seams).size, name).toBeGreaterThan(0);
});

test('simulator faults have different names', () => {
  expect(new Set(FAULTS.map(({ name }) => name)).size).toBe(FAULTS.length);
});

test('a seam is the whole expression after its marker', () => {
  const text = 'if (/* seam: both */ a.b && c(d)) e(/* seam: second */ f + g, h);';
  expect(plantIn(text, { both: 'false' })).toContain('*/ (false)) e(');
  expect(plantIn(text, { second: '$ * a' })).toContain('*/ ((f + g) * a), h);');
});

test('a seam before a statement is the whole statement', () => {
  const text = 'if (a) /* seam: step */ b(c);\nd();';
  expect(plantIn(text, { step: '' })).toBe('if (a) /* seam: step */ ;\nd();');
  expect(plantIn(text, { step: 'queueMicrotask(() => { $ });' })).toContain(
    'queueMicrotask(() => { b(c); });',
  );
});

test('one plan changes two seams of one file', () => {
  const text = '/* seam: first */ a();\nb(/* seam: second */ a);';
  expect(plantIn(text, { first: 'const early = a; $', second: 'early' })).toBe(
    '/* seam: first */ const early = a; a();\nb(/* seam: second */ (early));',
  );
});

test('two seam markers with one name are an error', () => {
  expect(() => plantIn('/* seam: a */ b();\n/* seam: a */ c();', {})).toThrow('Two markers are named "a"');
});

test('a seam marker of another form is an error', () => {
  for (const marker of ['// seam: a', '/* seam: A b */', '/*seam:a*/'])
    expect(() => plantIn(`${marker}\nb();`, {})).toThrow('/* seam: name */');
});

test('a seam marker without an expression or a statement after it is an error', () => {
  for (const text of [
    'a({ /* seam: a */ b: 1 });',
    'a(); /* seam: a */',
    'class A { /* seam: a */ b(): void {} }',
  ])
    expect(() => plantIn(text, {})).toThrow('directly before an expression or a statement');
});

test('a fault at a seam that does not exist is an error', () => {
  expect(() => plantIn('a();', { gone: '' })).toThrow('No source has the marker /* seam: gone */');
});

test('a fault whose changed source does not parse is an error', () => {
  expect(() => plantIn('/* seam: a */ b();', { a: 'if (' })).toThrow('does not parse');
});

test('a fault with a name that its file does not have is an error', () => {
  expect(() => plantIn('/* seam: a */ b();', { a: 'old(); $' })).toThrow('uses "old"');
});

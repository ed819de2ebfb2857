/** What the compiler says about a contract that cannot work names topic and field. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { ROOT, runCommand } from './lib/command.ts';

const FOLDER = 'scripts/fixtures/contract-errors';

const expected = readFileSync(join(ROOT, FOLDER, 'contracts.ts'), 'utf8')
  .split('\n')
  .flatMap((line, index) => {
    const [code, sentence] = line.split(' //> ');
    return sentence === undefined ? [] : [{ line: index + 1, code: code!, sentence }];
  });
let errors: Map<number, string>;

beforeAll(async () => {
  const { output } = await runCommand('tsc', ['-p', FOLDER, '--pretty', 'false'], { timeoutMs: 60_000 });
  errors = new Map();
  for (const error of output.split(/^(?=\S+\.ts\()/m)) {
    const line = Number(/contracts\.ts\((\d+),/.exec(error)?.[1]);
    errors.set(line, (errors.get(line) ?? '') + error);
  }
}, 90_000);

test.for(expected)('$code', ({ line, sentence }) => {
  expect(errors.get(line)).toContain(sentence);
});

test('nothing else is an error', () => {
  expect([...errors.keys()].toSorted((a, b) => a - b)).toEqual(expected.map(({ line }) => line));
});

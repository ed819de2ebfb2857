/** Tests of the compiler's output: errors name topic and field, and types are displayed as in their schemas. */
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { ROOT, runCommand } from './lib/command.ts';

describe.for(['contract-errors', 'shown-types', 'isolated-declarations'])(
  'compiler output for the fixture %s',
  (name) => {
    const folder = join('scripts/fixtures', name);
    const expected = globSync('*.ts', { cwd: join(ROOT, folder) }).flatMap((file) =>
      readFileSync(join(ROOT, folder, file), 'utf8')
        .split('\n')
        .flatMap((line, index) => {
          const [code, sentence] = line.split(' //> ');
          return sentence === undefined ? [] : [{ at: `${file}:${index + 1}`, code: code!, sentence }];
        }),
    );
    let errors: Map<string, string>;

    beforeAll(async () => {
      const { output } = await runCommand('tsc', ['-p', folder, '--pretty', 'false'], { timeoutMs: 60_000 });
      errors = new Map();
      for (const error of output.split(/^(?=\S+\.ts\()/m)) {
        const [, file = 'no file', line = 0] = /([^/]+\.ts)\((\d+),/.exec(error) ?? [];
        const at = `${file}:${line}`;
        errors.set(at, (errors.get(at) ?? '') + error);
      }
    }, 90_000);

    test.for(expected)('the compiler reports the expected text for: $code', ({ at, sentence }) => {
      expect(errors.get(at)).toContain(sentence);
    });

    test('the compiler reports no other error', () => {
      expect([...errors.keys()].toSorted()).toEqual(expected.map(({ at }) => at).toSorted());
    });
  },
);

/** `@internal` marks only optional members: `stripInternal` removes them, and no published type becomes weaker. */
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { ROOT } from './lib/command.ts';

test('each member that is marked @internal is optional', () => {
  const marked = globSync('packages/*/src/**/*.ts', { cwd: ROOT }).flatMap((path) =>
    [...readFileSync(join(ROOT, path), 'utf8').matchAll(/\/\*\*[^/]*@internal[^]*?\*\/\s*(.*)/g)].map(
      ([, member]) => ({ path, member }),
    ),
  );
  expect(marked.length).toBeGreaterThan(0);
  expect(marked.filter(({ member }) => !/^readonly \w+\?: /.test(member!))).toEqual([]);
});

/** Each important lint rule reports a planted fault, and accepts valid code beside it. */
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { LADDERS } from '../oxlint.config.ts';
import { ROOT, runCommand } from './lib/command.ts';

type Plant = readonly [file: string, source: string, rule: string | undefined];

const IMPORTS = 'eslint(no-restricted-imports)';
const GLOBALS = 'eslint(no-restricted-globals)';
const PROPERTIES = 'eslint(no-restricted-properties)';
const CYCLE = 'import(no-cycle)';
const PROMISE = 'declare function work(): Promise<void>;\n';

const PLANTS: readonly Plant[] = [
  ['packages/shared/src/lib/a.ts', `export * as fs from 'node:fs';`, IMPORTS],
  ['packages/shared/src/lib/b.ts', `export type { Feed } from '@linefeed/server';`, IMPORTS],
  ['packages/shared/src/lib/c.ts', `export type { Client } from '../../../client/src/index.ts';`, IMPORTS],
  ['packages/shared/src/lib/d.test.ts', `export * as fs from 'node:fs';`, undefined],
  ['packages/shared/src/lib/e.test.ts', `export * as s from '@linefeed/server';`, IMPORTS],
  ['packages/client/src/lib/a.ts', `export * as fs from 'fs';`, IMPORTS],
  ['packages/client/src/lib/b.ts', `export * as s from '@linefeed/server/node';`, IMPORTS],
  ['packages/client/src/lib/c.ts', `export * as s from '@linefeed/shared/wire';`, undefined],
  ['packages/client/src/lib/d.ts', `export * as s from '../../../shared/src/wire.ts';`, IMPORTS],
  ['packages/client/src/lib/e.test.ts', `export * as http from 'node:http';`, undefined],
  ['packages/server/src/lib/a.ts', `export type { Client } from '@linefeed/client';`, IMPORTS],
  ['packages/server/src/lib/d.ts', `export * as t from 'node:timers/promises';`, IMPORTS],
  ['packages/server/src/index.ts', `export * as n from './lib/adapters/node.ts';`, undefined],
  ['packages/server/src/lib/timer.ts', `setTimeout(() => {}, 1);`, GLOBALS],
  ['packages/server/src/lib/immediate.ts', `setImmediate(() => {});`, GLOBALS],
  ['packages/server/src/lib/base/clock.ts', `setInterval(() => {}, Date.now());`, undefined],
  ['packages/server/src/lib/timer.test.ts', `setInterval(() => {}, Date.now());`, undefined],
  ['packages/client/src/lib/now.ts', `export const now = Date.now();`, PROPERTIES],
  ['packages/client/src/lib/elapsed.ts', `export const now = performance.now();`, PROPERTIES],
  ['packages/client/src/lib/chance.ts', `export const chance = Math.random();`, PROPERTIES],
  ['packages/client/src/lib/window.ts', `globalThis.setTimeout(() => {}, 1);`, PROPERTIES],
  [
    'packages/client/src/lib/connection/page-lifecycle.ts',
    `document.addEventListener('freeze', () => {});`,
    undefined,
  ],
  ['packages/client/src/lib/connection/state.ts', `document.addEventListener('freeze', () => {});`, GLOBALS],
  ['packages/client/src/lib/connection/retry-policy.ts', `export const id = crypto.randomUUID();`, GLOBALS],
  ['packages/shared/src/lib/wire/frame.ts', `export const now = performance.timeOrigin;`, GLOBALS],
  ['packages/server/src/lib/http/accept.ts', `export const env = process.env;`, GLOBALS],
  ['scripts/a.ts', `setTimeout(() => console.log(Date.now()), 1);`, undefined],
  ['e2e/a.ts', `setTimeout(() => console.log(Math.random()), 1);`, undefined],
  ['examples/demo/a.ts', `setInterval(() => console.log(Date.now()), 1);`, undefined],
  ['packages/client/src/lib/log.ts', `console.log('here');`, 'eslint(no-console)'],
  ['packages/client/src/lib/floating.ts', `${PROMISE}work();`, 'typescript(no-floating-promises)'],
  ['e2e/floating.ts', `${PROMISE}work();`, 'typescript(no-floating-promises)'],
  ['packages/client/src/lib/held.ts', `${PROMISE}void work();`, undefined],
  ['packages/client/src/lib/any.ts', `export let value: any;`, 'typescript(no-explicit-any)'],
  ['packages/shared/src/lib/contract/channel.ts', `export let value: any;`, undefined],
  ['packages/client/src/lib/default.ts', `export default 1;`, 'import(no-default-export)'],
  ['packages/client/src/lib/ignored.ts', `// @ts-ignore`, 'typescript(ban-ts-comment)'],
  ['packages/client/src/lib/skipped.test.ts', VITEST('test.skip'), 'vitest(no-disabled-tests)'],
  ['packages/client/src/lib/alone.test.ts', VITEST('test.only'), 'vitest(no-focused-tests)'],
  ['packages/client/src/lib/later.test.ts', VITEST('test.todo'), 'vitest(warn-todo)'],
  ['packages/client/src/lib/weak.test.ts', VITEST('test', 'return;'), 'vitest(expect-expect)'],
  ['packages/client/src/lib/good.test.ts', VITEST('test'), undefined],
  [
    'packages/client/src/lib/types-a.ts',
    `import type { B } from './types-b.ts';\nexport type A = B[];`,
    CYCLE,
  ],
  [
    'packages/client/src/lib/types-b.ts',
    `import type { A } from './types-a.ts';\nexport type B = A[];`,
    CYCLE,
  ],
  ['packages/client/src/lib/ring-a.ts', `import { b } from './ring-b.ts';\nexport const a = () => b;`, CYCLE],
  ['packages/client/src/lib/ring-b.ts', `import { a } from './ring-a.ts';\nexport const b = () => a;`, CYCLE],
  ...Object.entries(LADDERS).flatMap(([name, folders]) =>
    folders.flatMap((_, step) => ladderPlants(name, folders, step)),
  ),
];

/** A folder that imports from the next one above it, which is wrong, and from the next one below it, which is right. */
function ladderPlants(name: string, folders: readonly string[], step: number): Plant[] {
  const folder = join('packages', name, 'src/lib', folders[step]!);
  const importOf = (other: string): string => {
    const path = relative(folder, join('packages', name, 'src/lib', other, 'x.ts'));
    return `export type { X } from '${path.startsWith('.') ? path : `./${path}`}';`;
  };
  const above = folders[step - 1];
  const below = folders[step + 1];
  return [
    ...(above === undefined ? [] : [[join(folder, 'up.ts'), importOf(above), IMPORTS] as const]),
    ...(below === undefined ? [] : [[join(folder, 'down.ts'), importOf(below), undefined] as const]),
  ];
}

function VITEST(call: string, body = 'expect(1).toBe(1);'): string {
  return `import { expect, test } from 'vitest';\n${call}('it works', () => { ${body} });\nexport { expect };`;
}

let found: Map<string, string[]>;
let folder: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'linefeed-lint-'));
  for (const name of ['oxlint.config.ts', 'tsconfig.base.json', '.gitignore']) {
    copyFileSync(join(ROOT, name), join(folder, name));
  }
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }');
  writeFileSync(
    join(folder, 'tsconfig.json'),
    '{ "extends": "./tsconfig.base.json", "compilerOptions": { "types": ["node"] } }',
  );
  symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'));
  for (const [file, source] of PLANTS) {
    mkdirSync(dirname(join(folder, file)), { recursive: true });
    writeFileSync(join(folder, file), `${source}\n`);
  }
  const { stdout, output } = await runCommand('oxlint', ['--format', 'json'], {
    cwd: folder,
    timeoutMs: 60_000,
  });
  found = new Map();
  try {
    const { diagnostics } = JSON.parse(stdout) as { diagnostics: Array<{ filename: string; code: string }> };
    for (const { filename, code } of diagnostics) found.set(filename, [...(found.get(filename) ?? []), code]);
  } catch {
    throw new Error(output);
  }
}, 90_000);

afterAll(() => rmSync(folder, { recursive: true, force: true }));

test.for(PLANTS.map(([file, , rule]) => [file, rule ?? 'nothing'] as const))(
  'lint of %s reports %s',
  ([file, rule]) => {
    const rules = found.get(file) ?? [];
    if (rule === 'nothing') expect(rules).toEqual([]);
    else expect(rules).toContain(rule);
  },
);

test.for(Object.entries(LADDERS))(
  'every source file of %s lies in a folder of the ladder',
  ([name, folders]) => {
    const lib = join(ROOT, 'packages', name, 'src/lib');
    const files = readdirSync(lib, { recursive: true, withFileTypes: true }).filter((entry) =>
      entry.isFile(),
    );
    const outside = files
      .map((entry) => relative(lib, join(entry.parentPath, entry.name)))
      .filter((file) => !folders.some((folder) => file.startsWith(`${folder}/`)));
    expect(outside).toEqual([]);
  },
);

/** The `@example` blocks of the docstrings compile. */
import { copyFileSync, globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { ROOT, runCommand } from './lib/command.ts';
import { linkModule } from './lib/packages.ts';

/** The channel of the examples, and values that an example may use without a definition. */
const FIXTURES = join(ROOT, 'scripts/fixtures/examples');

/** Optional peers, by the package of this repository that uses them. */
const PEERS = {
  'packages/client': [
    ...['react', '@types/react', '@tanstack/react-query', '@trpc/server', '@trpc/client'],
    'ai',
  ],
  'packages/server': ['@tanstack/ai'],
  'examples/chat': ['@ai-sdk/react'],
};

interface Example {
  readonly file: string;
  readonly code: string;
}

function readExamples(path: string): Example[] {
  const text = readFileSync(join(ROOT, path), 'utf8');
  const comments = [...text.matchAll(/\/\*\*[^]*?\*\//g)].map(([comment]) =>
    comment.replaceAll(/^ *\* ?/gm, ''),
  );
  const blocks = comments.flatMap((comment) => [...comment.matchAll(/@example\n((?:(?: {2}.*)?\n)*)/g)]);
  return blocks.map(([, code], n) => ({ file: `${path.replaceAll(/[/.]/g, '-')}-${n}.ts`, code: code! }));
}

test('the examples of the docstrings compile', { timeout: 120_000 }, async () => {
  const paths = globSync('packages/*/src/lib/**/*.ts', { cwd: ROOT }).filter(
    (path) => !/\.test(-d)?\.ts$/.test(path),
  );
  const examples = paths.flatMap(readExamples);
  expect(examples.length).toBeGreaterThan(20);
  // Inside the repository, so that its node_modules are found.
  mkdirSync(join(ROOT, '.cache'), { recursive: true });
  const folder = mkdtempSync(join(ROOT, '.cache/examples-'));
  try {
    for (const { file, code } of examples) writeFileSync(join(folder, file), `${code}\nexport {};\n`);
    for (const name of globSync('*.ts', { cwd: FIXTURES }))
      copyFileSync(join(FIXTURES, name), join(folder, name));
    for (const [owner, names] of Object.entries(PEERS))
      for (const name of names) linkModule(name, join(ROOT, owner, 'node_modules', name), folder);
    writeFileSync(
      join(folder, 'tsconfig.json'),
      JSON.stringify({
        extends: '../../tsconfig.base.json',
        compilerOptions: { types: ['node'] },
        include: ['*.ts'],
      }),
    );
    const { output } = await runCommand('tsc', ['-p', folder, '--pretty', 'false'], { timeoutMs: 110_000 });
    expect(output).toBe('');
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

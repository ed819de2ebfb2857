/** The programs in the documents compile: each block of code that opens with its file's name. */
import {
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
  copyFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { ROOT, runCommand } from './lib/command.ts';

/** Documents whose programs import each other's files: the first gives the contract. */
const SETS = [
  { documents: ['README.md', 'docs/client.md'] },
  { documents: ['README.md', 'packages/client/README.md'] },
  { documents: ['packages/shared/README.md'] },
  { documents: ['packages/server/README.md'] },
];

function readPrograms(document: string): Map<string, string> {
  const text = readFileSync(join(ROOT, document), 'utf8');
  const blocks = text.matchAll(/^```tsx?\n(\/\/ ([\w-]+\.tsx?).*\n[\s\S]*?)^```$/gm);
  return new Map([...blocks].map(([, program, name]) => [name!, program!]));
}

test.for(SETS)('$documents', { timeout: 70_000 }, async ({ documents }) => {
  // Inside the repository, for its node_modules to be found.
  mkdirSync(join(ROOT, '.cache'), { recursive: true });
  const folder = mkdtempSync(join(ROOT, '.cache/snippets-'));
  try {
    const programs = new Map(documents.flatMap((document) => [...readPrograms(document)]));
    expect(programs.size).toBeGreaterThan(0);
    for (const [name, program] of programs) writeFileSync(join(folder, name), program);
    copyFileSync(join(ROOT, 'scripts/fixtures/snippets/yours.ts'), join(folder, 'yours.ts'));
    linkReact(folder);
    writeFileSync(
      join(folder, 'tsconfig.json'),
      JSON.stringify({
        extends: '../../tsconfig.base.json',
        compilerOptions: { types: ['node'], jsx: 'react-jsx' },
        include: ['*.ts', '*.tsx'],
      }),
    );
    const { ok, output } = await runCommand('tsc', ['-p', folder, '--pretty', 'false'], {
      timeoutMs: 60_000,
    });
    expect(output).toBe('');
    expect(ok).toBe(true);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

/** React is no dependency of the root. */
function linkReact(folder: string): void {
  for (const name of ['react', '@types/react']) {
    const link = join(folder, 'node_modules', name);
    mkdirSync(dirname(link), { recursive: true });
    symlinkSync(join(ROOT, 'examples/react/node_modules', name), link, 'dir');
  }
}

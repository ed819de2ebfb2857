/** The programs in the documents compile. A program is a code block whose first line names its file. */
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
  copyFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ROOT, runCommand } from './lib/command.ts';

/** Documents whose programs import each other's files; the first one has the contract. */
const SETS = [
  {
    documents: ['README.md', 'docs/client.md', 'docs/react.md', 'docs/tabs.md', 'docs/state-then-follow.md'],
  },
  {
    documents: [
      'README.md',
      'docs/event-stream.md',
      'docs/logs.md',
      'docs/own-log.md',
      'docs/own-run-store.md',
      'docs/run-stores.md',
      'docs/testing.md',
      'docs/trpc.md',
    ],
  },
  { documents: ['README.md', 'packages/client/README.md'] },
  { documents: ['docs/ai.md'] },
  { documents: ['docs/cluster.md'] },
  { documents: ['docs/runs.md'] },
  { documents: ['packages/shared/README.md'] },
  { documents: ['packages/server/README.md'] },
];

/** Modules that the documents leave to their reader. */
const YOURS = join(ROOT, 'scripts/fixtures/snippets');

/** By the example that has them installed. */
const PEERS = {
  react: ['react', '@types/react', '@tanstack/react-query'],
  trpc: ['@trpc/server', '@trpc/client'],
  chat: ['ai', '@ai-sdk/react', '@tanstack/ai'],
};

/** A block without a name fails: it would never be compiled. */
function readPrograms(document: string): Map<string, string> {
  const text = readFileSync(join(ROOT, document), 'utf8');
  const blocks = [...text.matchAll(/^```tsx?\n(?:\/\/ ([\w.-]+\.tsx?).*\n)?([\s\S]*?)^```$/gm)];
  const unnamed = blocks.filter(([, name]) => name === undefined).map(([block]) => block);
  expect(unnamed, `${document}: these blocks do not open with a file's name`).toEqual([]);
  return new Map(blocks.map(([, name, program]) => [name!, program!]));
}

/** Inside the repository, so that its node_modules are found. One folder in it for each set. */
let folder: string;
/** The errors of each set. One compilation for all: each would read the declarations of all packages again. */
let errors: string[][];

beforeAll(async () => {
  mkdirSync(join(ROOT, '.cache'), { recursive: true });
  folder = mkdtempSync(join(ROOT, '.cache/snippets-'));
  for (const [index, { documents }] of SETS.entries()) {
    const own = join(folder, String(index));
    mkdirSync(own);
    for (const document of documents)
      for (const [name, program] of readPrograms(document)) writeFileSync(join(own, name), program);
    for (const name of readdirSync(YOURS)) copyFileSync(join(YOURS, name), join(own, name));
  }
  linkPeers(folder);
  writeFileSync(
    join(folder, 'tsconfig.json'),
    JSON.stringify({
      extends: '../../tsconfig.base.json',
      compilerOptions: { types: ['node'], jsx: 'react-jsx' },
      include: ['*/*.ts', '*/*.tsx'],
    }),
  );
  const { ok, output } = await runCommand('tsc', ['-p', folder, '--pretty', 'false'], {
    timeoutMs: 110_000,
  });
  errors = SETS.map(() => []);
  let set = -1;
  for (const line of output.split('\n').filter((text) => text !== '')) {
    // The lines that follow the first one of an error are indented.
    if (!line.startsWith(' ')) set = Number(/^\.cache\/snippets-\w+\/(\d+)\//.exec(line)?.[1] ?? -1);
    if (set < 0) throw new Error(output);
    errors[set]!.push(line);
  }
  if (!ok && output === '') throw new Error('The compiler failed without a message.');
}, 120_000);

afterAll(() => rmSync(folder, { recursive: true, force: true }));

test.for(SETS.map(({ documents }, index) => ({ documents, index })))(
  'the programs of $documents compile',
  ({ documents, index }) => {
    const programs = documents.flatMap((document) => [...readPrograms(document)]);
    expect(programs.length).toBeGreaterThan(0);
    expect(errors[index]).toEqual([]);
  },
);

/** Links the packages that users install themselves, which are not dependencies of the root. */
function linkPeers(folder: string): void {
  for (const [example, names] of Object.entries(PEERS)) {
    for (const name of names) {
      const link = join(folder, 'node_modules', name);
      mkdirSync(dirname(link), { recursive: true });
      symlinkSync(join(ROOT, 'examples', example, 'node_modules', name), link, 'dir');
    }
  }
}

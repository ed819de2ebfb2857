/** Measures what the compiler does for a channel and for the same topics in tRPC, and fails where ours costs too much. */
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ROOT, runCommand } from './lib/command.ts';

const TOPIC_COUNTS = [100, 500];
/** Of tRPC's instantiations for the same topics. */
const BUDGET = 1 / 3;

const MODULES = {
  '@linefeed/shared': 'packages/shared',
  '@linefeed/client': 'packages/client',
  '@trpc/client': 'packages/server/node_modules/@trpc/client',
  '@trpc/server': 'packages/server/node_modules/@trpc/server',
  zod: 'node_modules/zod',
} as const;

const TSCONFIG = {
  compilerOptions: {
    target: 'ES2023',
    lib: ['ES2023', 'DOM', 'DOM.Iterable', 'DOM.AsyncIterable', 'ESNext.Disposable'],
    module: 'NodeNext',
    types: [],
    strict: true,
    exactOptionalPropertyTypes: true,
    noUncheckedIndexedAccess: true,
    allowImportingTsExtensions: true,
    skipLibCheck: true,
    noEmit: true,
  },
};

/** Each topic: an object of params, a small nested event, one subscription that reads a field of it. */
function writeChannel(count: number): Record<string, string> {
  const numbers = Array.from({ length: count }, (_, n) => n);
  return {
    'channel.ts': `import { defineChannel, topic } from '@linefeed/shared';
import * as z from 'zod';
export const channel = defineChannel({
${numbers
  .map(
    (n) =>
      `  topic${n}: topic({ params: z.object({ id: z.string(), page${n}: z.number() }), data: z.object({ n${n}: z.number(), by: z.object({ name: z.string(), tags: z.array(z.string()) }) }) }),`,
  )
  .join('\n')}
});
`,
    'client.ts': `import { createClient } from '@linefeed/client';
import type { channel } from './channel.ts';
const client = createClient<typeof channel>({ url: '/events' });
${numbers
  .map(
    (n) =>
      `client.subscribe('topic${n}', { id: 'a', page${n}: 1 }, (event) => [event.n${n} satisfies number, event.by.tags satisfies string[]]);`,
  )
  .join('\n')}
`,
  };
}

function writeRouter(count: number): Record<string, string> {
  const numbers = Array.from({ length: count }, (_, n) => n);
  return {
    'router.ts': `import { initTRPC } from '@trpc/server';
import * as z from 'zod';
const t = initTRPC.create();
export const router = t.router({
${numbers
  .map(
    (n) =>
      `  topic${n}: t.procedure.input(z.object({ id: z.string(), page${n}: z.number() })).subscription(async function* () { yield { n${n}: 1, by: { name: '', tags: [''] } }; }),`,
  )
  .join('\n')}
});
`,
    'client.ts': `import { createTRPCClient, httpSubscriptionLink } from '@trpc/client';
import type { router } from './router.ts';
const client = createTRPCClient<typeof router>({ links: [httpSubscriptionLink({ url: '/trpc' })] });
${numbers
  .map(
    (n) =>
      `client.topic${n}.subscribe({ id: 'a', page${n}: 1 }, { onData: (event) => [event.n${n} satisfies number, event.by.tags satisfies string[]] });`,
  )
  .join('\n')}
`,
  };
}

interface Cost {
  readonly instantiations: number;
  readonly seconds: number;
}

/** @throws Error with the compiler's output where the files do not compile. */
async function measure(files: Record<string, string>): Promise<Cost> {
  const folder = mkdtempSync(join(tmpdir(), 'linefeed-types-'));
  try {
    for (const scope of ['@linefeed', '@trpc']) mkdirSync(join(folder, 'node_modules', scope), { recursive: true });
    for (const [name, target] of Object.entries(MODULES)) {
      symlinkSync(join(ROOT, target), join(folder, 'node_modules', name));
    }
    writeFileSync(join(folder, 'package.json'), '{ "type": "module" }');
    writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(TSCONFIG));
    for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
    const { ok, output } = await runCommand('tsc', ['-p', folder, '--extendedDiagnostics'], { timeoutMs: 120_000 });
    if (!ok) throw new Error(output.slice(0, 4_000));
    return {
      instantiations: Number(/^Instantiations:\s+(\d+)/m.exec(output)?.[1]),
      seconds: Number(/^Check time:\s+([\d.]+)/m.exec(output)?.[1]),
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

for (const count of TOPIC_COUNTS) {
  const ours = await measure(writeChannel(count));
  const theirs = await measure(writeRouter(count));
  const share = ours.instantiations / theirs.instantiations;
  const isGood = share < BUDGET;
  if (!isGood) process.exitCode = 1;
  console.log(
    `${count} topics: ${ours.instantiations} instantiations in ${ours.seconds} s; as tRPC procedures ${theirs.instantiations} in ${theirs.seconds} s: ${(share * 100).toFixed(1)} % of it${isGood ? '' : `, more than ${(BUDGET * 100).toFixed(1)} %`}`,
  );
}

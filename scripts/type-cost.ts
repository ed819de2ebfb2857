/** Measures the compiler's work for a channel and for the same topics in tRPC, and fails if ours costs too much. */
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ROOT, runCommand } from './lib/command.ts';

// The compiler takes over a minute for 500 procedures with output schemas.
const TOPIC_COUNTS = process.argv.includes('--full') ? [100, 500] : [100];
/** As a part of tRPC's instantiations for the same topics. */
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

const params = (n: number): string => `z.object({ id: z.string(), page${n}: z.number() })`;
const data = (n: number): string =>
  `z.object({ n${n}: z.number(), by: z.object({ name: z.string(), tags: z.array(z.string()) }) })`;
const reads = (n: number): string => `[event.n${n} satisfies number, event.by.tags satisfies string[]]`;

/** Each topic: an object of params, a small nested event, one subscription that reads a field of it. */
function writeChannel(count: number): Record<string, string> {
  const numbers = Array.from({ length: count }, (_, n) => n);
  return {
    'channel.ts': `import { defineChannel, topic } from '@linefeed/shared';
import * as z from 'zod';
export const channel = defineChannel({
${numbers.map((n) => `  topic${n}: topic({ params: ${params(n)}, data: ${data(n)} }),`).join('\n')}
});
`,
    'client.ts': `import { createClient } from '@linefeed/client';
import type { channel } from './channel.ts';
const client = createClient<typeof channel>({ url: '/events' });
${numbers.map((n) => `client.subscribe('topic${n}', { id: 'a', page${n}: 1 }, (event) => ${reads(n)});`).join('\n')}
`,
  };
}

/**
 * The same as procedures. A channel validates published events; the equivalent in tRPC is `output` with the schema of
 * an iterable, in the form of tRPC's documentation.
 */
function writeRouter(count: number, { validated }: { validated: boolean }): Record<string, string> {
  const numbers = Array.from({ length: count }, (_, n) => n);
  const output = (n: number): string => (validated ? `.output(iterable({ yield: ${data(n)} }))` : '');
  return {
    'iterable.ts': `import { isTrackedEnvelope, tracked, type TrackedEnvelope } from '@trpc/server';
import * as z from 'zod';
export function iterable<In, Out, Tracked extends boolean = false>(opts: { yield: z.ZodType<Out, In>; tracked?: Tracked }) {
  return z
    .custom<AsyncIterable<Tracked extends true ? TrackedEnvelope<In> : In, void>>((value) => Symbol.asyncIterator in Object(value))
    .transform(async function* (source) {
      for await (const value of source) {
        if (opts.tracked === true && isTrackedEnvelope(value)) yield tracked(value[0], await opts.yield.parseAsync(value[1]));
        else yield opts.yield.parseAsync(value);
      }
    }) as unknown as z.ZodType<
      AsyncIterable<Tracked extends true ? TrackedEnvelope<Out> : Out, void, unknown>,
      AsyncIterable<Tracked extends true ? TrackedEnvelope<In> : In, void, unknown>
    >;
}
`,
    'router.ts': `import { initTRPC } from '@trpc/server';
import * as z from 'zod';
import { iterable } from './iterable.ts';
const t = initTRPC.create();
export const router = t.router({
${numbers
  .map(
    (n) =>
      `  topic${n}: t.procedure.input(${params(n)})${output(n)}.subscription(async function* () { yield { n${n}: 1, by: { name: '', tags: [''] } }; }),`,
  )
  .join('\n')}
});
`,
    'client.ts': `import { createTRPCClient, httpSubscriptionLink } from '@trpc/client';
import type { router } from './router.ts';
const client = createTRPCClient<typeof router>({ links: [httpSubscriptionLink({ url: '/trpc' })] });
${numbers
  .map((n) => `client.topic${n}.subscribe({ id: 'a', page${n}: 1 }, { onData: (event) => ${reads(n)} });`)
  .join('\n')}
`,
  };
}

interface Cost {
  readonly instantiations: number;
  readonly seconds: number;
}

/** @throws Error with the compiler's output if the files do not compile. */
async function measure(files: Record<string, string>): Promise<Cost> {
  const folder = mkdtempSync(join(tmpdir(), 'linefeed-types-'));
  try {
    for (const scope of ['@linefeed', '@trpc'])
      mkdirSync(join(folder, 'node_modules', scope), { recursive: true });
    for (const [name, target] of Object.entries(MODULES)) {
      symlinkSync(join(ROOT, target), join(folder, 'node_modules', name));
    }
    writeFileSync(join(folder, 'package.json'), '{ "type": "module" }');
    writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(TSCONFIG));
    for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
    // Several checkers would count shared types several times.
    const { ok, output } = await runCommand(
      'tsc',
      ['-p', folder, '--singleThreaded', '--extendedDiagnostics'],
      {
        timeoutMs: 240_000,
      },
    );
    if (!ok) throw new Error(output.slice(0, 4_000));
    return {
      instantiations: Number(/^Instantiations:\s+(\d+)/m.exec(output)?.[1]),
      seconds: Number(/^Check time:\s+([\d.]+)/m.exec(output)?.[1]),
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const describe = ({ instantiations, seconds }: Cost): string =>
  `${instantiations} instantiations, ${seconds} s`;

for (const count of TOPIC_COUNTS) {
  const ours = await measure(writeChannel(count));
  const theirs = await measure(writeRouter(count, { validated: true }));
  const unchecked = await measure(writeRouter(count, { validated: false }));
  const share = ours.instantiations / theirs.instantiations;
  const isGood = share < BUDGET;
  if (!isGood) process.exitCode = 1;
  console.log(
    `${count} topics: ${describe(ours)}; as tRPC procedures ${describe(theirs)} (without output schemas ${describe(unchecked)}): ${(share * 100).toFixed(1)} %${isGood ? '' : `, more than ${(BUDGET * 100).toFixed(1)} %`}`,
  );
}

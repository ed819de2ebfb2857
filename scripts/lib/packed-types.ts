/** Compiles the type tests against the packed packages, as a user's compiler sees them. */
import { copyFileSync, globSync, mkdirSync, realpathSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { ROOT, runCommand } from './command.ts';
import { linkFromRoot, linkModule, type Installation } from './packages.ts';
import type { StepContext } from './step.ts';

/** A busy machine may take long. */
const TIMEOUT_MS = 5 * 60_000;

const RESOLUTIONS = {
  bundler: { module: 'preserve', moduleResolution: 'bundler' },
  node16: { module: 'node16', moduleResolution: 'node16' },
  nodenext: { module: 'nodenext', moduleResolution: 'nodenext' },
} as const;
type Resolution = keyof typeof RESOLUTIONS;
const ALL = Object.keys(RESOLUTIONS) as Resolution[];

/**
 * The module of each compiler, and its resolutions in the usual test run: the old compiler takes as long for one as the
 * new one for all. `attw` resolves every entry by every resolution with an old compiler, too.
 */
const COMPILERS: Readonly<
  Record<string, { readonly module: string; readonly usual: readonly Resolution[] }>
> = {
  'TypeScript 7': { module: 'typescript', usual: ALL },
  'TypeScript 5': { module: 'typescript5', usual: ['bundler'] },
};

const OPTIONS = {
  target: 'es2023',
  lib: ['es2023', 'dom', 'dom.iterable', 'dom.asynciterable', 'esnext.disposable'],
  types: ['node'],
  strict: true,
  exactOptionalPropertyTypes: true,
  noUncheckedIndexedAccess: true,
  // A fault in a declaration file must not stay hidden.
  skipLibCheck: false,
  noEmit: true,
  jsx: 'react-jsx',
} as const;

/**
 * Type tests that import `ai`. Its own declarations do not compile with `exactOptionalPropertyTypes`, and they are the same
 * for every resolution.
 */
const isOfAI = (file: string): boolean => file.endsWith('.ai.test-d.ts');

/** A stand-in for vitest: its own declarations need other options than those of a user. */
const VITEST = `export { expectTypeOf } from 'expect-type';
export declare function describe(name: string, body: () => void): void;
export declare function it(name: string, body: () => void | Promise<void>): void;
export declare const test: typeof it;
`;

/** The negative control: a case that compiles although it must not. Every compiler must report it. */
const CONTROL = `import { LinefeedError } from '@linefeed/shared';
// @ts-expect-error -- this line compiles, so the compiler must report an unused directive
export const error = new LinefeedError('closed', 'closed');
`;
const CONTROL_REPORT = /^control\.ts\(2,1\): error TS2578: Unused '@ts-expect-error' directive\.\n$/;

export async function checkPackedTypes(
  { folder: installed }: Installation,
  { log, check, long }: StepContext,
): Promise<void> {
  const folder = join(installed, 'type-tests');
  mkdirSync(folder);
  for (const name of ['@types/node', 'zod', 'valibot']) linkFromRoot(name, installed);
  linkModule(
    'expect-type',
    join(realpathSync(join(ROOT, 'node_modules/vitest')), '../expect-type'),
    installed,
  );
  writeModule(join(installed, 'node_modules/vitest'), VITEST);
  const tests = globSync('packages/*/src/**/*.test-d.ts', { cwd: ROOT });
  check('type tests found', tests.length > 0);
  for (const path of tests) {
    const [, owner] = path.split('/');
    copyFileSync(join(ROOT, path), join(folder, `${owner}.${basename(path)}`));
  }
  // Without it the compiler takes the files for CommonJS, which cannot import the packages.
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ private: true, type: 'module' }));
  writeFileSync(join(folder, 'control.ts'), CONTROL);
  for (const [compiler, { module, usual }] of Object.entries(COMPILERS)) {
    const compile = (files: readonly string[], options: object) =>
      runCompiler(module, folder, { files, compilerOptions: { ...OPTIONS, ...options } });
    const files = globSync('*.test-d.ts', { cwd: folder });
    for (const resolution of long ? ALL : usual) {
      const { ok, output } = await compile(
        files.filter((file) => !isOfAI(file)),
        RESOLUTIONS[resolution],
      );
      log(output);
      check(`type tests against the packages, ${compiler}, ${resolution}`, ok);
    }
    const withAI = await compile(files.filter(isOfAI), { ...RESOLUTIONS.nodenext, skipLibCheck: true });
    log(withAI.output);
    check(`type tests of AI libraries against the packages, ${compiler}`, withAI.ok);
    const { output } = await compile(['control.ts'], RESOLUTIONS.nodenext);
    const isReported = CONTROL_REPORT.test(output);
    if (!isReported) log(output);
    check(`${compiler} reports a case that wrongly compiles`, isReported);
  }
}

function runCompiler(name: string, folder: string, config: object): ReturnType<typeof runCommand> {
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(config));
  const program = join(ROOT, 'node_modules', name, 'bin/tsc');
  return runCommand(process.execPath, [program, '-p', '.', '--pretty', 'false'], {
    cwd: folder,
    timeoutMs: TIMEOUT_MS,
  });
}

function writeModule(folder: string, declarations: string): void {
  mkdirSync(folder, { recursive: true });
  writeFileSync(
    join(folder, 'package.json'),
    JSON.stringify({ name: basename(folder), version: '0.0.0', type: 'module', types: 'index.d.ts' }),
  );
  writeFileSync(join(folder, 'index.d.ts'), declarations);
}

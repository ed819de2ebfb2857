/** The steps that check the packages in their published form. */
import { copyFileSync, existsSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { ROOT, runCommand } from './command.ts';
import { compareExportNames, declarationFiles, keepExportNames, readExportNames } from './export-names.ts';
import { checkNpmInstall } from './npm-install.ts';
import { checkPackedTypes } from './packed-types.ts';
import {
  buildPackage,
  documentsOf,
  installTarballs,
  linkFromRoot,
  readPackages,
  type Installation,
  type Package,
} from './packages.ts';
import type { StepContext } from './step.ts';
import { findUnexportedTypes } from './unexported-types.ts';

const TIMEOUT_MS = 60_000;
const SIZE_PRESET = '@size-limit/preset-small-lib';

interface SizeLimit {
  readonly name: string;
  /** By entry, the imported names. */
  readonly import: Readonly<Record<string, string>>;
  readonly limitBytes: number;
  /** The limit applies to the size on top of this other one. */
  readonly over?: string;
  /** Packages that a page with this entry already has. */
  readonly ignore?: readonly string[];
}

/**
 * Size limits of the client in a page: gzip, minified, with all imports. Slightly above the reached size, and only ever
 * lowered.
 */
const SIZE_LIMITS: readonly SizeLimit[] = [
  {
    name: 'client with fetch',
    import: { index: '{ createClient, fetchTransport }' },
    limitBytes: 14_560,
  },
  {
    name: 'client with both transports',
    import: { index: '{ createClient, fetchTransport, eventSourceTransport }' },
    limitBytes: 15_120,
  },
  {
    name: 'React hooks',
    import: { index: '{ createClient, fetchTransport }', react: '{ createHooks }' },
    limitBytes: 1_100,
    over: 'client with fetch',
    ignore: ['react'],
  },
  {
    name: 'tab sharing',
    import: { index: '{ createClient, fetchTransport }', share: '{ createSharedClient }' },
    limitBytes: 3_350,
    over: 'client with fetch',
  },
  {
    name: 'TanStack Query helper',
    import: { index: '{ createClient, fetchTransport }', query: '{ useFollow }' },
    limitBytes: 1_000,
    over: 'client with fetch',
    ignore: ['react', '@tanstack/react-query'],
  },
];

export async function packageStep(context: StepContext): Promise<void> {
  await withTarballs(context, async (packages, installation) => {
    for (const each of packages) await checkTarball(each, installation, context);
    await checkImports(packages, installation, context);
    await checkDeclarations(packages, installation, context);
    await checkPackedTypes(installation, context);
    await checkNpmInstall(installation, context);
    checkNames(packages, installation, context);
    checkNamedTypes(packages, installation, context);
  });
}

export async function sizeStep(context: StepContext): Promise<void> {
  // The package step counts the builds; this step reports only a failed one.
  const check = (name: string, ok: boolean) => {
    if (!ok) context.check(name, ok);
  };
  await withTarballs({ ...context, check }, async (_, { folder }) => {
    const toPath = (entry: string) => `node_modules/@linefeed/client/dist/${entry}.js`;
    const limits = SIZE_LIMITS.map(({ name, import: imported, ignore = [] }) => ({
      name,
      path: Object.keys(imported).map(toPath),
      import: Object.fromEntries(Object.entries(imported).map(([entry, names]) => [toPath(entry), names])),
      ignore,
      gzip: true,
    }));
    writeFileSync(join(folder, '.size-limit.json'), JSON.stringify(limits));
    // size-limit takes its plugins from the dependencies of the project that it checks.
    writeFileSync(join(folder, 'package.json'), JSON.stringify({ devDependencies: { [SIZE_PRESET]: '*' } }));
    linkFromRoot(SIZE_PRESET, folder);
    const { output, stdout } = await runCommand('size-limit', ['--json'], {
      cwd: folder,
      timeoutMs: TIMEOUT_MS,
    });
    const sizes = parseSizes(stdout);
    if (sizes === undefined) context.log(output);
    const sizeOf = (name: string) => sizes?.find((size) => size.name === name)?.size ?? Number.NaN;
    for (const { name, limitBytes, over } of SIZE_LIMITS) {
      const bytes = sizeOf(name) - (over === undefined ? 0 : sizeOf(over));
      context.log(`${name}: ${bytes} bytes${over === undefined ? '' : ` over ${over}`} of ${limitBytes}\n`);
      context.check(`size of ${name}`, bytes <= limitBytes);
    }
  });
}

interface Size {
  readonly name: string;
  readonly size: number;
}

function parseSizes(json: string): readonly Size[] | undefined {
  try {
    const sizes: unknown = JSON.parse(json);
    return Array.isArray(sizes) ? (sizes as Size[]) : undefined;
  } catch {
    return undefined;
  }
}

async function withTarballs(
  { log, check }: StepContext,
  look: (packages: readonly Package[], installation: Installation) => Promise<void>,
): Promise<void> {
  const packages = readPackages();
  let isBuilt = true;
  for (const each of packages) {
    const { ok, output } = await buildPackage(each);
    log(output);
    check(`build of ${each.name}`, ok);
    isBuilt &&= ok;
  }
  if (!isBuilt) return;
  const installation = await installTarballs(packages);
  try {
    await look(packages, installation);
  } finally {
    installation.remove();
  }
}

async function checkTarball(
  each: Package,
  { folder, tarballs }: Installation,
  { log, check }: StepContext,
): Promise<void> {
  for (const document of documentsOf(each)) {
    check(`${document} of ${each.name}`, existsSync(join(folder, 'node_modules', each.name, document)));
  }
  const tarball = tarballs.get(each)!;
  for (const [program, ...args] of [
    ['publint', tarball, '--strict'],
    ['attw', tarball, '--profile', 'esm-only', '--no-emoji', '--no-color'],
  ] as const) {
    const { ok, output } = await runCommand(program, args, { timeoutMs: TIMEOUT_MS });
    if (!ok) log(output);
    check(`${program} of ${each.name}`, ok);
  }
}

/** Imports each entry in a separate Node process, which must exit by itself: an import must start nothing. */
async function checkImports(
  packages: readonly Package[],
  { folder }: Installation,
  { log, check }: StepContext,
): Promise<void> {
  for (const entry of packages.flatMap(({ entries }) => entries)) {
    const script = `
      const entry = await import(${JSON.stringify(entry)});
      if (Object.keys(entry).length === 0) throw new Error('It exports nothing.');`;
    const { ok, output } = await runCommand(process.execPath, ['--input-type=module', '-e', script], {
      cwd: folder,
      timeoutMs: 20_000,
    });
    if (!ok) log(`import of ${entry}:\n${output}\n`);
    check(`import of ${entry}`, ok);
  }
}

/** Compiles a user of every entry, library checks included. */
async function checkDeclarations(
  packages: readonly Package[],
  { folder }: Installation,
  { log, check }: StepContext,
): Promise<void> {
  const lines = packages
    .flatMap(({ entries }) => entries)
    .map((entry, n) => `export * as e${n} from '${entry}';`);
  writeFileSync(join(folder, 'user.ts'), `${lines.join('\n')}\n`);
  for (const name of ['@types/node', 'zod']) linkFromRoot(name, folder);
  // Without it the compiler takes the files for CommonJS, and names types that no user could name.
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ private: true, type: 'module' }));
  for (const path of ['exported-values/values.ts', 'loose-contract/contract.ts'])
    copyFileSync(join(ROOT, 'scripts/fixtures', path), join(folder, basename(path)));
  const common =
    '--strict --target es2023 --lib es2023,dom,dom.iterable,esnext.disposable --module nodenext --types node';
  const compile = async (
    name: string,
    flags: string,
    file: string,
    isGood = (ok: boolean, _output: string): boolean => ok,
  ): Promise<void> => {
    const args = [...common.split(' '), ...flags.split(' '), '--pretty', 'false', file];
    const { ok, output } = await runCommand('tsc', args, { cwd: folder, timeoutMs: TIMEOUT_MS });
    const passed = isGood(ok, output);
    if (!passed) log(output);
    check(name, passed);
  };
  await compile('declarations as a user compiles them', '--noEmit --skipLibCheck false', 'user.ts');
  await compile(
    'declarations of what a user exports',
    '--declaration --emitDeclarationOnly --outDir declared --skipLibCheck',
    'values.ts',
  );
  await compile(
    'one error for a contract without strictNullChecks',
    '--noEmit --strictNullChecks false --skipLibCheck',
    'contract.ts',
    (_, output) => output.split('error TS').length === 2 && output.includes('Linefeed needs strict'),
  );
}

function checkNames(
  packages: readonly Package[],
  installation: Installation,
  { log, check, update }: StepContext,
): void {
  const names = readExportNames(packages, installation);
  if (update) keepExportNames(names);
  const differences = compareExportNames(names);
  if (differences.length > 0) {
    log(`${differences.join('\n')}\nIf that is meant: pnpm test --only package --update\n`);
  }
  check('exported names', differences.length === 0);
}

/** Constraints whose only job is the compiler's message: no user writes their names. */
const MESSAGES = ['ChannelWithoutStreams', 'CheckedTopics'];

function checkNamedTypes(
  packages: readonly Package[],
  installation: Installation,
  { log, check }: StepContext,
): void {
  const entries = declarationFiles(packages, installation).map(({ entry, owner, path }) => ({
    name: entry,
    path,
    besides: [owner, '@linefeed/shared'],
  }));
  const missing = findUnexportedTypes(entries, {
    isOurs: (file) => /\/node_modules\/@linefeed\/\w+\/dist\//.test(file),
    ignored: MESSAGES,
  });
  if (missing.length > 0) log(`${missing.join('\n')}\n`);
  check('every type that a public declaration names is exported', missing.length === 0);
}

/** The published packages: their entries, their build, and an installation of their tarballs. */
import { globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { ROOT, runCommand, type CommandResult } from './command.ts';
import { copyDocuments, readDocuments } from './documents.ts';

interface Manifest {
  readonly name: string;
  readonly private?: boolean;
  readonly exports: Readonly<Record<string, unknown>>;
  readonly publishConfig?: { readonly exports?: Readonly<Record<string, unknown>> };
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly peerDependencies?: Readonly<Record<string, string>>;
}

export interface Package {
  readonly name: string;
  readonly folder: string;
  readonly manifest: Manifest;
  /** Import paths for users: `@linefeed/server`, `@linefeed/server/node`, … */
  readonly entries: readonly string[];
}

export interface Installation {
  /** A folder whose `node_modules` contains the packages as after an installation. */
  readonly folder: string;
  readonly tarballs: ReadonlyMap<Package, string>;
  readonly remove: () => void;
}

const BUILD_TIMEOUT_MS = 120_000;
const PACK_TIMEOUT_MS = 60_000;

/** Every package below `packages/` that is published, by name. */
export function readPackages(root: string = ROOT): Package[] {
  return globSync('packages/*/package.json', { cwd: root })
    .toSorted()
    .map((path): Package => {
      const manifest = JSON.parse(readFileSync(join(root, path), 'utf8')) as Manifest;
      const entries = Object.keys(manifest.exports)
        .filter((key) => key !== './package.json')
        .map((key) => manifest.name + key.slice(1));
      return { name: manifest.name, folder: join(root, dirname(path)), manifest, entries };
    })
    .filter(({ manifest }) => manifest.private !== true);
}

/** The package on which all others depend. */
const COMMON_PACKAGE = '@linefeed/shared';

/** Compiles a package into an empty `dist`: a file that lost its source must not be published. */
export async function buildPackage({ name, folder }: Package): Promise<CommandResult> {
  const dist = join(folder, 'dist');
  rmSync(dist, { recursive: true, force: true });
  const options = { cwd: folder, timeoutMs: BUILD_TIMEOUT_MS };
  const result = await runCommand('tsc', ['-p', 'tsconfig.build.json'], options);
  if (result.ok && name === COMMON_PACKAGE) copyDocuments(dist);
  return result;
}

/** Documents that a tarball must contain. */
export function documentsOf({ name }: Package): readonly string[] {
  const copied = name === COMMON_PACKAGE ? readDocuments().map((path) => `dist/${path}`) : [];
  return ['README.md', 'LICENSE', ...copied];
}

/** Packs built packages and unpacks the tarballs side by side, with their dependencies from this workspace. */
export async function installTarballs(packages: readonly Package[]): Promise<Installation> {
  const folder = mkdtempSync(join(tmpdir(), 'linefeed-packed-'));
  const tarballs = new Map<Package, string>();
  const remove = () => rmSync(folder, { recursive: true, force: true });
  for (const each of packages) {
    const tarball = join(folder, `${each.name.replace('@', '').replace('/', '-')}.tgz`);
    const target = join(folder, 'node_modules', each.name);
    mkdirSync(target, { recursive: true });
    const packed = await pnpm(['pack', '--out', tarball], each.folder);
    const unpacked = packed.ok
      ? await runCommand('tar', ['-xzf', tarball, '--strip-components=1'], {
          cwd: target,
          timeoutMs: PACK_TIMEOUT_MS,
        })
      : packed;
    if (!unpacked.ok) {
      remove();
      throw new Error(`${each.name} could not be packed:\n${unpacked.output}`);
    }
    tarballs.set(each, tarball);
  }
  for (const each of packages) {
    const { dependencies, peerDependencies } = each.manifest;
    for (const name of Object.keys({ ...dependencies, ...peerDependencies }))
      linkDependency(each, name, folder);
  }
  return { folder, tarballs, remove };
}

function linkDependency({ folder }: Package, name: string, into: string): void {
  const source = [folder, ROOT].map((from) => join(from, 'node_modules', name)).find(existsSync);
  if (source !== undefined) linkModule(name, source, into);
}

/** Links a development dependency of this repository into a project. */
export function linkFromRoot(name: string, into: string): void {
  linkModule(name, join(ROOT, 'node_modules', name), into);
}

/** Does nothing if the project has the module. */
export function linkModule(name: string, source: string, into: string): void {
  const link = join(into, 'node_modules', name);
  if (existsSync(link)) return;
  mkdirSync(dirname(link), { recursive: true });
  symlinkSync(source, link, 'dir');
}

function pnpm(args: readonly string[], cwd: string): Promise<CommandResult> {
  const options = { cwd, timeoutMs: PACK_TIMEOUT_MS };
  // pnpm sets it for its scripts; a script that was started without pnpm downloads pnpm.
  return process.env['npm_config_user_agent']?.startsWith('pnpm/') === true
    ? runCommand('pnpm', args, options)
    : runCommand('npx', ['--yes', 'pnpm@12', ...args], options);
}

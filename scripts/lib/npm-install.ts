/** Checks that npm installs the packages beside packages that a user already has. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { runCommand } from './command.ts';
import type { Installation } from './packages.ts';
import type { StepContext } from './step.ts';

const TIMEOUT_MS = 60_000;

/** Old and unreleased versions of packages that single entries need: the other entries must work beside them, too. */
const PROJECTS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  'React 18 and tRPC 10': {
    react: '18.3.1',
    '@types/react': '18.3.32',
    '@trpc/client': '10.45.2',
    '@trpc/server': '10.45.2',
    '@tanstack/react-query': '4.36.1',
    '@playwright/test': '1.30.0',
  },
  'React 17': { react: '17.0.2', '@types/react': '17.0.80' },
  'a release candidate of React': { react: '20.0.0-rc.1', '@types/react': '20.0.0-rc.1' },
};

interface Published {
  readonly dependencies?: Readonly<Record<string, string>>;
}

/**
 * npm refuses a peer of the wrong version even if it is optional. Sends no request to a registry: stand-ins have only a
 * name and a version.
 */
export async function checkNpmInstall(
  { folder, tarballs }: Installation,
  { log, check }: StepContext,
): Promise<void> {
  const ours: Record<string, string> = {};
  const needed: Record<string, string> = {};
  for (const [{ name }, tarball] of tarballs) {
    ours[name] = `file:${tarball}`;
    const manifest = readFileSync(join(folder, 'node_modules', name, 'package.json'), 'utf8');
    Object.assign(needed, (JSON.parse(manifest) as Published).dependencies);
  }
  for (const [about, neighbours] of Object.entries(PROJECTS)) {
    const project = join(folder, 'projects', about.replaceAll(' ', '-'));
    const dependencies = { ...ours };
    for (const [name, range] of Object.entries({ ...needed, ...neighbours })) {
      if (name in ours) continue;
      dependencies[name] = `file:${makeStandIn(project, name, range.replace(/^[^\d]*/, ''))}`;
    }
    writeFileSync(join(project, 'package.json'), JSON.stringify({ private: true, dependencies }));
    const { ok, output } = await runCommand(
      'npm',
      ['install', '--offline', '--package-lock-only', '--ignore-scripts', '--no-audit', '--no-fund'],
      { cwd: project, timeoutMs: TIMEOUT_MS },
    );
    if (!ok) log(output);
    check(`npm installs them beside ${about}`, ok);
  }
}

function makeStandIn(project: string, name: string, version: string): string {
  const target = join(project, 'stand-ins', name);
  mkdirSync(target, { recursive: true });
  writeFileSync(join(target, 'package.json'), JSON.stringify({ name, version }));
  return target;
}

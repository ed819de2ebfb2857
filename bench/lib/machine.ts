/** The machine and the versions of a measurement. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { cpus, release, totalmem } from 'node:os';
import { join } from 'node:path';
import { findNchan } from './nchan.ts';

export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGb: number;
  readonly kernel: string;
  readonly node: string;
  /** The commit of Linefeed that was measured. */
  readonly linefeed: string;
  readonly versions: Readonly<Record<string, string>>;
}

const FOLDER = join(import.meta.dirname, '..');

export function describeMachine(): Machine {
  const { dependencies } = JSON.parse(readFileSync(join(FOLDER, 'package.json'), 'utf8')) as {
    dependencies: Record<string, string>;
  };
  return {
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: cpus().length,
    memoryGb: Math.round(totalmem() / 2 ** 30),
    kernel: release().split('-', 1)[0]!,
    node: process.version.slice(1),
    linefeed: describeCommit(),
    versions: { ...dependencies, ...nginxVersions() },
  };
}

function describeCommit(): string {
  const commit = outputOf('git', ['rev-parse', '--short=12', 'HEAD']).trim();
  if (commit === '') return 'unknown commit';
  return outputOf('git', ['status', '--porcelain', '--', '../packages']) === ''
    ? commit
    : `${commit}, changed`;
}

function nginxVersions(): Record<string, string> {
  const found = findNchan();
  if (found === undefined) return {};
  const nginx = /nginx\/(\S+)/.exec(outputOf(found.nginx, ['-v']))?.[1] ?? 'unknown';
  // The module does not report its own version; its Debian package does.
  const nchan = outputOf('dpkg-query', ['-W', '-f', '${Version}', 'libnginx-mod-nchan']).trim();
  return { nginx, nchan: nchan === '' ? 'unknown' : nchan };
}

function outputOf(command: string, args: readonly string[]): string {
  const { stdout, stderr, status } = spawnSync(command, args, { cwd: FOLDER, encoding: 'utf8' });
  return status === 0 ? `${stdout}${stderr}` : '';
}

/** Finds a program that the tests need, or announces and installs it where that is allowed. */
import { spawnSync } from 'node:child_process';
import { accessSync, constants, readFileSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, isAbsolute, join } from 'node:path';

export interface Program {
  /** Its common name: `Chromium`. */
  readonly title: string;
  /** Environment variable with its path; if set, there is no further search. */
  readonly variable: string;
  /** Names on the PATH, or whole paths, in order of preference. */
  readonly names: readonly string[];
  /**
   * Arguments with which it answers and exits with 0: some systems have a stub that only names the package to install.
   */
  readonly probe: readonly string[];
  /** Package of Debian. */
  readonly apt?: string | undefined;
  /** Its package of Debian starts it as a service of the system; that is prevented. */
  readonly isService?: boolean | undefined;
  /** Package of npm with the program's version; npx keeps it in its cache. */
  readonly npm?: string | undefined;
  /** Name for Playwright's installer, and the folder of its installation. */
  readonly playwright?: { readonly name: string; readonly path: () => string } | undefined;
}

/** The machine, as far as the search uses it. */
export interface Machine {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly isRoot: boolean;
  /** Text of /etc/os-release; empty if there is none. */
  readonly osRelease: string;
  readonly isExecutable: (path: string) => boolean;
  readonly run: (program: string, args: readonly string[], options: RunOptions) => Run;
  readonly say: (line: string) => void;
}

interface RunOptions {
  readonly timeoutMs: number;
  readonly env?: Readonly<Record<string, string>> | undefined;
}

interface Run {
  readonly ok: boolean;
  readonly output: string;
}

/** Thrown when a program is not found and could not be installed; its message is one line with a remedy. */
export class ProgramMissing extends Error {}

/** Thrown when the variable of a program names nothing that runs: a mistake, and not a machine without the program. */
class VariableWrong extends ProgramMissing {}

const INSTALL_TIMEOUT_MS = 5 * 60_000;
const PROBE_TIMEOUT_MS = 30_000;
/** Debian asks this file, if there is one, before it starts a service; 101 forbids it. */
const WITHOUT_SERVICE = `policy=/usr/sbin/policy-rc.d
if [ ! -e $policy ]; then
  trap 'rm -f $policy' EXIT
  printf '#!/bin/sh\\nexit 101\\n' > $policy && chmod +x $policy
fi
`;
const APT_LOCK = join(tmpdir(), 'linefeed-apt.lock');

/**
 * Returns the path of a program: from its environment variable, the PATH, or Playwright's folder. Otherwise installs it
 * with npx, apt-get (root on Debian or a derivative) or Playwright's installer. `LINEFEED_NO_INSTALL=1` forbids that.
 *
 * @throws ProgramMissing
 */
export function findProgram(program: Program, machine: Machine = thisMachine()): string {
  const { env } = machine;
  const named = env[program.variable];
  if (named !== undefined && named !== '') {
    if (works(program, named, machine)) return named;
    throw new VariableWrong(
      `${program.variable}=${named} is not a program that runs; let it name ${program.title}, or unset it.`,
    );
  }
  const found = findInstalled(program, machine);
  if (found !== undefined) return found;

  const tried: string[] = [];
  if (env['LINEFEED_NO_INSTALL'] !== '1') {
    const brought = bringWithNpx(program, machine);
    if (brought !== undefined) return brought;
    for (const install of [installWithApt, installWithPlaywright]) {
      const failure = install(program, machine);
      if (failure !== undefined) tried.push(failure);
      const installed = findInstalled(program, machine);
      if (installed !== undefined) return installed;
    }
  }
  throw new ProgramMissing(
    [
      `${program.title} is not on the PATH`,
      ...tried,
      `install it (${advice(program)}) or set ${program.variable} to its path.`,
    ].join('; '),
  );
}

/**
 * The same for a program that only some tests need. If it is not available, those tests are not run, and one line
 * reports it: they count as neither passed nor failed.
 *
 * @throws ProgramMissing only if its variable names nothing that runs.
 */
export function findOptional(
  program: Program,
  untested: string,
  machine: Machine = thisMachine(),
): string | undefined {
  try {
    return findProgram(program, machine);
  } catch (error) {
    if (!(error instanceof ProgramMissing) || error instanceof VariableWrong) throw error;
    machine.say(`NOT TESTED: ${untested}. ${error.message}`);
    return undefined;
  }
}

function findInstalled(program: Program, machine: Machine): string | undefined {
  const folders = (machine.env['PATH'] ?? '').split(delimiter).filter((folder) => folder !== '');
  const candidates = program.names.flatMap((name) =>
    isAbsolute(name) ? [name] : folders.map((folder) => join(folder, name)),
  );
  if (program.playwright !== undefined) candidates.push(program.playwright.path());
  return candidates.find((path) => works(program, path, machine));
}

function works(program: Program, path: string, machine: Machine): boolean {
  return machine.isExecutable(path) && machine.run(path, program.probe, { timeoutMs: PROBE_TIMEOUT_MS }).ok;
}

function installWithApt({ title, apt, isService = false }: Program, machine: Machine): string | undefined {
  const isDebian = /^ID(_LIKE)?=.*\bdebian\b/m.test(machine.osRelease);
  if (apt === undefined || !machine.isRoot || !isDebian) return undefined;
  machine.say(
    `${title} is not here: installing it with apt-get install ${apt} (LINEFEED_NO_INSTALL=1 forbids it).`,
  );
  const options = { timeoutMs: INSTALL_TIMEOUT_MS, env: { DEBIAN_FRONTEND: 'noninteractive' } };
  // Without an update, a container's empty package lists make every install fail.
  const command = 'apt-get update && apt-get install -y --no-install-recommends "$0"';
  const install = isService ? `${WITHOUT_SERVICE}${command}` : command;
  // Two steps may install at the same time: apt-get fails while another process holds its lock, so the second one
  // waits.
  const { ok, output } = machine.run('flock', [APT_LOCK, 'sh', '-c', install, apt], options);
  return ok ? undefined : `apt-get failed (${lastLine(output)})`;
}

function bringWithNpx(program: Program, machine: Machine): string | undefined {
  const { title, npm, names } = program;
  if (npm === undefined) return undefined;
  machine.say(`${title} is not here: fetching it with npx ${npm} (LINEFEED_NO_INSTALL=1 forbids it).`);
  const args = ['exec', '--yes', `--package=${npm}`, '--', 'sh', '-c', `command -v ${names[0]}`];
  const { output } = machine.run('npm', args, { timeoutMs: INSTALL_TIMEOUT_MS });
  const path = lastLine(output);
  return works(program, path, machine) ? path : undefined;
}

function installWithPlaywright({ title, playwright }: Program, machine: Machine): string | undefined {
  if (playwright === undefined) return undefined;
  machine.say(
    `${title} is not here: installing it with playwright install ${playwright.name} (LINEFEED_NO_INSTALL=1 forbids it).`,
  );
  const cli = join(import.meta.dirname, '../../node_modules/@playwright/test/cli.js');
  const { ok, output } = machine.run(process.execPath, [cli, 'install', playwright.name], {
    timeoutMs: INSTALL_TIMEOUT_MS,
  });
  return ok ? undefined : `playwright install failed (${lastLine(output)})`;
}

function advice({ apt, npm, playwright }: Program): string {
  const ways: string[] = [];
  if (npm !== undefined) ways.push(`npm install -g ${npm}`);
  if (apt !== undefined) ways.push(`apt-get install ${apt}`);
  if (playwright !== undefined) ways.push(`npx playwright install --with-deps ${playwright.name}`);
  return ways.join(' or ');
}

function lastLine(output: string): string {
  return output.trim().split('\n').at(-1) || 'no output';
}

/** The machine this runs on. */
export function thisMachine(): Machine {
  return {
    env: process.env,
    isRoot: process.getuid?.() === 0,
    osRelease: readOsRelease(),
    isExecutable(path) {
      try {
        accessSync(path, constants.X_OK);
        return statSync(path).isFile();
      } catch {
        return false;
      }
    },
    run(program, args, { timeoutMs, env }) {
      const result = spawnSync(program, args, {
        encoding: 'utf8',
        env: { ...process.env, ...env },
        stdio: ['ignore', 'pipe', 'pipe'],
        timeout: timeoutMs,
        maxBuffer: 64 * 1024 * 1024,
      });
      return { ok: result.status === 0, output: `${result.stdout ?? ''}${result.stderr ?? ''}` };
    },
    say: (line) => console.log(line),
  };
}

function readOsRelease(): string {
  try {
    return readFileSync('/etc/os-release', 'utf8');
  } catch {
    return '';
  }
}

import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { findOptional, findProgram, ProgramMissing, type Machine, type Program } from './find-program.ts';

const DEBIAN = 'NAME="Debian GNU/Linux"\nID=debian\n';
const program: Program = {
  title: 'Browser',
  variable: 'LINEFEED_BROWSER',
  names: ['browser', 'browser-stable'],
  probe: ['--version'],
  apt: 'the-browser',
  playwright: { name: 'webthing', path: () => '/cache/webthing' },
};

interface Fake extends Machine {
  /** Available programs, and whether they run. */
  readonly files: Map<string, boolean>;
  readonly log: string[];
}

function fakeMachine(
  options: Partial<Omit<Machine, 'run' | 'say'>> & {
    files?: Record<string, boolean>;
    onInstall?: (fake: Fake, command: string) => { ok: boolean; output: string };
  } = {},
): Fake {
  const files = new Map(Object.entries(options.files ?? {}));
  const log: string[] = [];
  const fake: Fake = {
    env: { PATH: '/usr/bin:/opt/bin', ...options.env },
    isRoot: options.isRoot ?? false,
    osRelease: options.osRelease ?? '',
    files,
    log,
    isExecutable: (path) => files.has(path),
    run(path, args, { env }) {
      if (args[0] === '--version') return { ok: files.get(path) ?? false, output: '' };
      const command = `${path === process.execPath ? 'playwright' : path} ${args.filter((arg) => !arg.endsWith('cli.js')).join(' ')}`;
      log.push(env === undefined ? command : `${JSON.stringify(env)} ${command}`);
      return options.onInstall?.(fake, command) ?? { ok: false, output: 'E: no network\n' };
    },
    say: (line) => log.push(line),
  };
  return fake;
}

describe('searching for a program', () => {
  test('the environment variable of a program takes precedence over the PATH', () => {
    const machine = fakeMachine({
      env: { LINEFEED_BROWSER: '/mine/browser' },
      files: { '/mine/browser': true, '/usr/bin/browser': true },
    });
    expect(findProgram(program, machine)).toBe('/mine/browser');
  });

  test('an environment variable without a working program is refused, and nothing is installed', () => {
    const machine = fakeMachine({ env: { LINEFEED_BROWSER: '/gone' }, isRoot: true, osRelease: DEBIAN });
    expect(() => findProgram(program, machine)).toThrow(
      'LINEFEED_BROWSER=/gone is not a program that runs; let it name Browser, or unset it.',
    );
    expect(machine.log).toEqual([]);
  });

  test('the search takes the most preferred name on the PATH, in any directory', () => {
    const machine = fakeMachine({ files: { '/usr/bin/browser-stable': true, '/opt/bin/browser': true } });
    expect(findProgram(program, machine)).toBe('/opt/bin/browser');
  });

  test('the search skips a stub that does not run', () => {
    const machine = fakeMachine({ files: { '/usr/bin/browser': false, '/usr/bin/browser-stable': true } });
    expect(findProgram(program, machine)).toBe('/usr/bin/browser-stable');
  });

  test('the search accepts a name that is a path', () => {
    const machine = fakeMachine({ files: { '/usr/sbin/browser': true } });
    expect(findProgram({ ...program, names: ['browser', '/usr/sbin/browser'] }, machine)).toBe(
      '/usr/sbin/browser',
    );
  });

  test('the search takes a program that Playwright installed earlier, without output', () => {
    const machine = fakeMachine({ files: { '/cache/webthing': true } });
    expect(findProgram(program, machine)).toBe('/cache/webthing');
    expect(machine.log).toEqual([]);
  });
});

describe('installing a program', () => {
  test.for([
    ['Debian', DEBIAN],
    ['Ubuntu', 'ID=ubuntu\nID_LIKE=debian\n'],
    ['Pop!_OS', 'ID=pop\nID_LIKE="ubuntu debian"\n'],
  ] as const)('root on %s updates and installs with apt-get, after a notice', ([, osRelease]) => {
    const machine = fakeMachine({
      isRoot: true,
      osRelease,
      onInstall(fake, command) {
        if (command.includes('apt-get install')) fake.files.set('/usr/bin/browser', true);
        return { ok: true, output: '' };
      },
    });
    expect(findProgram(program, machine)).toBe('/usr/bin/browser');
    expect(machine.log).toEqual([
      'Browser is not here: installing it with apt-get install the-browser (LINEFEED_NO_INSTALL=1 forbids it).',
      `{"DEBIAN_FRONTEND":"noninteractive"} flock ${join(tmpdir(), 'linefeed-apt.lock')} sh -c apt-get update && apt-get install -y --no-install-recommends "$0" the-browser`,
    ]);
  });

  test('a package that starts a service is installed without starting it', () => {
    const machine = fakeMachine({ isRoot: true, osRelease: DEBIAN });
    expect(() => findProgram({ ...program, playwright: undefined, isService: true }, machine)).toThrow();
    const [, command = ''] = machine.log;
    const script = command.slice(command.indexOf('sh -c ') + 6, command.indexOf('apt-get update'));
    const folder = mkdtempSync(join(tmpdir(), 'linefeed-policy-'));
    // The same script, with another path of the file, and with a look at it instead of the installation.
    const policy = join(folder, 'policy-rc.d');
    const tried = `${script.replace('/usr/sbin/policy-rc.d', policy)}${policy}; echo $?`;
    expect(execFileSync('sh', ['-c', tried], { encoding: 'utf8' })).toBe('101\n');
    expect(readdirSync(folder)).toEqual([]);
    rmSync(folder, { recursive: true });
  });

  test.for([
    ['an ordinary user', { isRoot: false, osRelease: DEBIAN }],
    ['another system', { isRoot: true, osRelease: 'ID=fedora\nID_LIKE="rhel centos"\n' }],
  ] as const)('the installer of Playwright is used for %s', ([, where]) => {
    const machine = fakeMachine({
      ...where,
      onInstall(fake) {
        fake.files.set('/cache/webthing', true);
        return { ok: true, output: '' };
      },
    });
    expect(findProgram(program, machine)).toBe('/cache/webthing');
    expect(machine.log).toEqual([
      'Browser is not here: installing it with playwright install webthing (LINEFEED_NO_INSTALL=1 forbids it).',
      'playwright install webthing',
    ]);
  });

  test('npm exec fetches a program that is an npm package, and its path is used', () => {
    const machine = fakeMachine({
      onInstall(fake) {
        fake.files.set('/cache/browser', true);
        return { ok: true, output: '/cache/browser\n' };
      },
    });
    expect(findProgram({ ...program, npm: 'browser@1' }, machine)).toBe('/cache/browser');
    expect(machine.log).toEqual([
      'Browser is not here: fetching it with npx browser@1 (LINEFEED_NO_INSTALL=1 forbids it).',
      'npm exec --yes --package=browser@1 -- sh -c command -v browser',
    ]);
  });

  test('the installer of Playwright is used if apt-get fails', () => {
    const machine = fakeMachine({
      isRoot: true,
      osRelease: DEBIAN,
      onInstall(fake, command) {
        if (!command.startsWith('playwright')) return { ok: false, output: 'E: locked\n' };
        fake.files.set('/cache/webthing', true);
        return { ok: true, output: '' };
      },
    });
    expect(findProgram(program, machine)).toBe('/cache/webthing');
  });

  test('a failed installation gives one line with the causes and the remedy', () => {
    const machine = fakeMachine({ isRoot: true, osRelease: DEBIAN });
    expect(() => findProgram(program, machine)).toThrow(
      new ProgramMissing(
        'Browser is not on the PATH; apt-get failed (E: no network); playwright install failed (E: no network); install it (apt-get install the-browser or npx playwright install --with-deps webthing) or set LINEFEED_BROWSER to its path.',
      ),
    );
  });

  test('LINEFEED_NO_INSTALL=1 forbids an installation', () => {
    const machine = fakeMachine({ env: { LINEFEED_NO_INSTALL: '1' }, isRoot: true, osRelease: DEBIAN });
    expect(() => findProgram(program, machine)).toThrow(ProgramMissing);
    expect(machine.log).toEqual([]);
  });
});

describe('an optional program', () => {
  test('an optional program is found like any other', () => {
    const machine = fakeMachine({ files: { '/usr/bin/browser': true } });
    expect(findOptional(program, 'the web', machine)).toBe('/usr/bin/browser');
    expect(machine.log).toEqual([]);
  });

  test('a missing optional program gives one line with the untested part, the cause and the remedy', () => {
    const { playwright: _, ...aptAlone } = program;
    const machine = fakeMachine({ env: { LINEFEED_NO_INSTALL: '1' }, isRoot: true, osRelease: DEBIAN });
    expect(findOptional(aptAlone, 'the web', machine)).toBeUndefined();
    expect(machine.log).toEqual([
      'NOT TESTED: the web. Browser is not on the PATH; install it (apt-get install the-browser) or set LINEFEED_BROWSER to its path.',
    ]);
  });

  test('an optional program is refused if its variable names no working program', () => {
    const machine = fakeMachine({ env: { LINEFEED_BROWSER: '/gone' } });
    expect(() => findOptional(program, 'the web', machine)).toThrow(
      'LINEFEED_BROWSER=/gone is not a program',
    );
  });
});

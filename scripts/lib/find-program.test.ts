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

describe('the search', () => {
  test('takes what the environment variable names before anything on the PATH', () => {
    const machine = fakeMachine({
      env: { LINEFEED_BROWSER: '/mine/browser' },
      files: { '/mine/browser': true, '/usr/bin/browser': true },
    });
    expect(findProgram(program, machine)).toBe('/mine/browser');
  });

  test('refuses a variable that names nothing that runs, and installs nothing instead', () => {
    const machine = fakeMachine({ env: { LINEFEED_BROWSER: '/gone' }, isRoot: true, osRelease: DEBIAN });
    expect(() => findProgram(program, machine)).toThrow(
      'LINEFEED_BROWSER=/gone is not a program that runs; let it name Browser, or unset it.',
    );
    expect(machine.log).toEqual([]);
  });

  test('takes the best name on the PATH, wherever it stands', () => {
    const machine = fakeMachine({ files: { '/usr/bin/browser-stable': true, '/opt/bin/browser': true } });
    expect(findProgram(program, machine)).toBe('/opt/bin/browser');
  });

  test('passes over a stub that does not run', () => {
    const machine = fakeMachine({ files: { '/usr/bin/browser': false, '/usr/bin/browser-stable': true } });
    expect(findProgram(program, machine)).toBe('/usr/bin/browser-stable');
  });

  test('takes a name that is a path as it stands', () => {
    const machine = fakeMachine({ files: { '/usr/sbin/browser': true } });
    expect(findProgram({ ...program, names: ['browser', '/usr/sbin/browser'] }, machine)).toBe(
      '/usr/sbin/browser',
    );
  });

  test('takes what Playwright installed earlier, and says nothing', () => {
    const machine = fakeMachine({ files: { '/cache/webthing': true } });
    expect(findProgram(program, machine)).toBe('/cache/webthing');
    expect(machine.log).toEqual([]);
  });
});

describe('the installation', () => {
  test.for([
    ['Debian', DEBIAN],
    ['what is like it', 'ID=ubuntu\nID_LIKE=debian\n'],
    ['what is like that', 'ID=pop\nID_LIKE="ubuntu debian"\n'],
  ] as const)('updates and installs with apt-get for root on %s, and says so first', ([, osRelease]) => {
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

  test.for([
    ['an ordinary user', { isRoot: false, osRelease: DEBIAN }],
    ['another system', { isRoot: true, osRelease: 'ID=fedora\nID_LIKE="rhel centos"\n' }],
  ] as const)('goes to the installer of Playwright for %s', ([, where]) => {
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

  test('has npx fetch what is a package of npm, and takes the path it names', () => {
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

  test('goes on to Playwright where apt-get fails', () => {
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

  test('says in one line what failed and what to do', () => {
    const machine = fakeMachine({ isRoot: true, osRelease: DEBIAN });
    expect(() => findProgram(program, machine)).toThrow(
      new ProgramMissing(
        'Browser is not on the PATH; apt-get failed (E: no network); playwright install failed (E: no network); install it (apt-get install the-browser or npx playwright install --with-deps webthing) or set LINEFEED_BROWSER to its path.',
      ),
    );
  });

  test('is forbidden by LINEFEED_NO_INSTALL=1', () => {
    const machine = fakeMachine({ env: { LINEFEED_NO_INSTALL: '1' }, isRoot: true, osRelease: DEBIAN });
    expect(() => findProgram(program, machine)).toThrow(ProgramMissing);
    expect(machine.log).toEqual([]);
  });
});

describe('a program that some tests need', () => {
  test('is found or installed like any other', () => {
    const machine = fakeMachine({ files: { '/usr/bin/browser': true } });
    expect(findOptional(program, 'the web', machine)).toBe('/usr/bin/browser');
    expect(machine.log).toEqual([]);
  });

  test('is told in one line where it cannot be had: what is not tested, why, and what to do', () => {
    const { playwright: _, ...aptAlone } = program;
    const machine = fakeMachine({ env: { LINEFEED_NO_INSTALL: '1' }, isRoot: true, osRelease: DEBIAN });
    expect(findOptional(aptAlone, 'the web', machine)).toBeUndefined();
    expect(machine.log).toEqual([
      'NOT TESTED: the web. Browser is not on the PATH; install it (apt-get install the-browser) or set LINEFEED_BROWSER to its path.',
    ]);
  });

  test('is not excused where its variable names nothing that runs', () => {
    const machine = fakeMachine({ env: { LINEFEED_BROWSER: '/gone' } });
    expect(() => findOptional(program, 'the web', machine)).toThrow(
      'LINEFEED_BROWSER=/gone is not a program',
    );
  });
});

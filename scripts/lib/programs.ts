/** The programs that tests need beside Node. */
import { chromium } from '@playwright/test';
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

interface Need {
  readonly program: Program;
  /** The test file that is left out if the program is not available. */
  readonly file: string;
}

/** Programs that only some tests of a runner need. */
const NEEDS: Readonly<Record<'unit' | 'e2e', readonly Need[]>> = {
  unit: [
    { program: NGINX, file: 'examples/servers/contract/nginx.test.ts' },
    { program: BUN, file: 'examples/servers/contract/bun.test.ts' },
  ],
  e2e: [{ program: NGINX, file: 'e2e/rolling-restart.test.ts' }],
};

/**
 * Finds these programs, and reports tests that are left out. Returns the found paths by variable, for the runner's
 * environment.
 */
export function findNeeds(runner: 'unit' | 'e2e', machine: Machine): Record<string, string> {
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
export function leftOut(runner: 'unit' | 'e2e'): string[] {
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

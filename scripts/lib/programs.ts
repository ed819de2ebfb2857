/** The programs that tests need beside Node. */
import { chromium } from '@playwright/test';
import type { Program } from './find-program.ts';

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
  // Debian puts it where only root's PATH looks.
  names: ['nginx', '/usr/sbin/nginx'],
  probe: ['-v'],
  apt: 'nginx-light',
};

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

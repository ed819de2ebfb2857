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

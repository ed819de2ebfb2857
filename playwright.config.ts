/** End-to-end tests: each starts its own servers; the browser is the system's. */
import { defineConfig } from '@playwright/test';
import { findProgram } from './scripts/lib/find-program.ts';
import { CHROMIUM, leftOut } from './scripts/lib/programs.ts';

// Workers read this file again; what was found once is handed to them.
const executablePath = (process.env[CHROMIUM.variable] ||= findProgram(CHROMIUM));
// A worker is only given files that are run.
const testIgnore = process.env['TEST_WORKER_INDEX'] === undefined ? leftOut('e2e') : [];

export default defineConfig({
  testDir: 'e2e',
  testMatch: '**/*.test.ts',
  testIgnore: testIgnore.map((file) => `**/${file}`),
  outputDir: 'test-results',
  fullyParallel: true,
  forbidOnly: true,
  workers: 2,
  retries: 0,
  timeout: 60_000,
  reporter: 'list',
  use: {
    trace: 'retain-on-failure',
    screenshot: 'only-on-failure',
    launchOptions: {
      executablePath,
      args: [
        // Chromium's sandbox does not run as root, which is what containers are.
        ...(process.getuid?.() === 0 ? ['--no-sandbox'] : []),
        '--disable-gpu',
        '--disable-quic',
        '--no-first-run',
        '--disable-background-networking',
        '--disable-component-update',
        '--disable-sync',
      ],
    },
  },
  projects: [{ name: 'chromium', use: { browserName: 'chromium' } }],
});

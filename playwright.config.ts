/** End-to-end tests: each starts its own servers; the browser is the system's. */
import { availableParallelism } from 'node:os';
import { defineConfig } from '@playwright/test';
import { compileCacheOf } from './scripts/lib/compile-cache.ts';
import { findProgram } from './scripts/lib/find-program.ts';
import { CHROMIUM, leftOut } from './scripts/lib/programs.ts';

// For the processes that tests start.
Object.assign(process.env, compileCacheOf(import.meta.dirname));

// Workers read this file again; what was found once is handed to them.
const executablePath = (process.env[CHROMIUM.variable] ||= findProgram(CHROMIUM));
// A worker is only given files that are run.
const left = process.env['TEST_WORKER_INDEX'] === undefined ? leftOut('e2e') : [];
// Those of brokers run in vitest.
const testIgnore = [...left.map((file) => `**/${file}`), '**/e2e/brokers/**'];
const DEMO = '**/demo.test.ts';

export default defineConfig({
  testDir: 'e2e',
  testMatch: '**/*.test.ts',
  testIgnore,
  outputDir: 'test-results',
  fullyParallel: true,
  forbidOnly: true,
  // A test waits more than it works, so one more than cores.
  workers: availableParallelism() + 1,
  retries: 0,
  // Limits for what hangs; a busy machine may take long.
  timeout: 180_000,
  expect: { timeout: 60_000 },
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
  projects: [
    // The tests of the demo run one after the other, so they start first.
    { name: 'demo', testMatch: DEMO, use: { browserName: 'chromium' } },
    { name: 'chromium', testIgnore: [...testIgnore, DEMO], use: { browserName: 'chromium' } },
  ],
});

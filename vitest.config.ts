/** Unit tests run; type tests are compiled. */
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { configDefaults, defineConfig } from 'vitest/config';
import { compileCacheOf } from './scripts/lib/compile-cache.ts';
import { leftOut } from './scripts/lib/programs.ts';

// For the workers, and the processes that tests start.
Object.assign(process.env, compileCacheOf(import.meta.dirname));

/** Tests that start Redis, PostgreSQL or NATS servers. */
const BROKERS = [
  'packages/server/src/lib/log/{redis,postgres,nats}/**/*.test.ts',
  'packages/server/src/lib/runs/{redis,postgres}/**/*.test.ts',
  'e2e/brokers/**/*.test.ts',
];
const BROKERS_LONG = ['e2e/brokers/**/*.long.test.ts'];
/** `brokers` runs a whole contract for one client library of each server, `brokers-long` for all. */
const CONTRACTS = ['packages/server/src/lib/{log,runs}/{redis,postgres}/*.contract.test.ts'];

/** Properties that `unit-long` checks with more random values than `unit`. */
const PROPERTIES = ['packages/server/src/lib/event-stream/encode.test.ts'];

function unit(name: string, include: string[], env: Record<string, string> = {}) {
  return {
    test: {
      name,
      include,
      env,
      exclude: [...configDefaults.exclude, ...BROKERS, ...leftOut('unit')],
      setupFiles: ['scripts/vitest-setup.ts'],
      // Ends what hangs; a busy machine may take long.
      testTimeout: 60_000,
      hookTimeout: 60_000,
      unstubGlobals: true,
      restoreMocks: true,
    },
  };
}

/** Needs a server that the machine may not have. */
function brokers(name: string, include: string[], exclude: string[], env: Record<string, string> = {}) {
  return {
    test: {
      name,
      include,
      env,
      exclude: [...configDefaults.exclude, ...exclude, ...leftOut('brokers')],
      setupFiles: ['scripts/vitest-setup.ts'],
      // Ends what hangs; a failover takes seconds, and a busy machine may take long.
      testTimeout: 120_000,
      hookTimeout: 120_000,
      restoreMocks: true,
    },
  };
}

export default defineConfig({
  test: {
    allowOnly: false,
    // The default leaves one core idle, which on two cores is half of the machine.
    maxWorkers: Math.max(2, availableParallelism()),
    projects: [
      unit('unit', [
        '{packages,examples}/*/**/*.test.{ts,tsx}',
        'scripts/**/*.test.ts',
        'bench/lib/*.test.ts',
        'simulate/*.test.ts',
      ]),
      unit('unit-long', PROPERTIES, { LINEFEED_RUNS: 'full' }),
      brokers('brokers', BROKERS, BROKERS_LONG),
      brokers('brokers-long', [...BROKERS_LONG, ...CONTRACTS], [], { LINEFEED_CONTRACT: 'full' }),
      {
        // The tests of the hooks again, on the oldest React that they support.
        resolve: {
          alias: ['react', 'react-dom'].map((name) => ({
            find: new RegExp(`^${name}(?=/|$)`),
            replacement: fileURLToPath(
              new URL(`packages/client/test/react-18/node_modules/${name}`, import.meta.url),
            ),
          })),
        },
        test: {
          name: 'react-18',
          include: ['packages/client/src/lib/react/{hooks,version}.test.ts'],
          env: { REACT_MAJOR: '18' },
          setupFiles: ['scripts/vitest-setup.ts'],
          testTimeout: 60_000,
          hookTimeout: 60_000,
          unstubGlobals: true,
          restoreMocks: true,
        },
      },
      {
        test: {
          name: 'types',
          include: [],
          typecheck: {
            enabled: true,
            only: true,
            include: ['packages/*/src/**/*.test-d.ts'],
            tsconfig: 'tsconfig.types.json',
            // Faults of the sources themselves are the types step's to report.
            ignoreSourceErrors: true,
            spawnTimeout: 60_000,
          },
        },
      },
    ],
  },
});

/** Unit tests run; type tests are compiled. */
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { configDefaults, defineConfig } from 'vitest/config';
import { leftOut } from './scripts/lib/programs.ts';

export default defineConfig({
  test: {
    allowOnly: false,
    // The default leaves one core idle, which on two cores is half of the machine.
    maxWorkers: Math.max(2, availableParallelism()),
    projects: [
      {
        test: {
          name: 'unit',
          include: [
            '{packages,examples}/*/**/*.test.{ts,tsx}',
            'scripts/**/*.test.ts',
            'bench/lib/*.test.ts',
            'simulate/*.test.ts',
          ],
          exclude: [...configDefaults.exclude, ...leftOut('unit')],
          setupFiles: ['scripts/vitest-setup.ts'],
          // Ends what hangs; a busy machine may take long.
          testTimeout: 60_000,
          hookTimeout: 60_000,
          unstubGlobals: true,
          restoreMocks: true,
        },
      },
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

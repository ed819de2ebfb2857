/** Lint rules: what every file keeps to, and which folder may know which. */
import { defineConfig, type OxlintConfig } from 'oxlint';

const timeMessage = 'Time and timers come from the injected clock (clock.ts).';
const chanceMessage = 'Chance is an argument: take a random function as an option.';
const pureMessage = 'Pure code touches nothing outside its arguments.';

const timers = 'setTimeout setInterval setImmediate clearTimeout clearInterval clearImmediate'.split(' ');
const surroundings =
  'performance crypto fetch document window navigator process queueMicrotask addEventListener localStorage'.split(
    ' ',
  );

const restrictedGlobals = timers.map((name) => ({ name, message: timeMessage }));
const restrictedProperties = [
  { object: 'Date', property: 'now', message: timeMessage },
  { object: 'performance', property: 'now', message: timeMessage },
  { object: 'AbortSignal', property: 'timeout', message: timeMessage },
  { object: 'Math', property: 'random', message: chanceMessage },
  ...['globalThis', 'window', 'self'].flatMap((object) =>
    timers.map((property) => ({ object, property, message: timeMessage })),
  ),
];

// Type-only imports count too: a type that crosses a border is a dependency.
const pattern = (regex: string, message: string) => ({ regex, message });
const node = pattern(
  '^node:|^(assert|buffer|crypto|events|fs|http2?|https|net|os|path|stream|timers|tls|url|util)(/|$)',
  'This runs in browsers too: no Node modules.',
);
const server = pattern('^@linefeed/server(/|$)|/server/src/', 'Only the server knows the server.');
const client = pattern('^@linefeed/client(/|$)|/client/src/', 'Only the client knows the client.');
const inside = pattern(
  '/(shared|server|client)/src/|^@linefeed/[a-z]+/(src|dist)',
  'Import another package by its name.',
);
const nodeTimers = pattern('^(node:)?timers(/|$)', timeMessage);

type Pattern = ReturnType<typeof pattern>;
type Override = NonNullable<OxlintConfig['overrides']>[number];
const imports = (...patterns: Pattern[]): NonNullable<Override['rules']> => ({
  'no-restricted-imports': ['error', { patterns }],
});

/** The folders of each package's `src/lib`, from the top down. A folder imports only from the folders below it. */
export const LADDERS = {
  shared: ['testing', 'contract', 'wire', 'base'],
  client: [
    ...[
      'testing',
      'trpc',
      'query',
      'react',
      'ai',
      'tabs',
      'client',
      'subscriptions',
      'connection',
      'transport',
      'base',
    ],
  ],
  server: [
    ...['testing', 'trpc', 'ai', 'tanstack-ai', 'feed', 'adapters', 'event-stream', 'connection'],
    ...['stream', 'request', 'delivery'],
    ...['runs/redis', 'runs/postgres', 'runs/sqlite', 'runs', 'publish'],
    ...['log/redis', 'log/postgres', 'log/nats', 'log/remote', 'log/sqlite', 'log'],
    ...['database/redis', 'database/postgres', 'database/sqlite', 'database', 'http', 'base'],
  ],
} as const;

type Package = keyof typeof LADDERS;

/** Outer folders first: of two rules that match a file, the last one wins. */
function ladder(
  name: Package,
): Array<{ folder: string; above: readonly string[]; below: readonly string[] }> {
  const folders: readonly string[] = LADDERS[name];
  return folders
    .map((folder, step) => ({ folder, above: folders.slice(0, step), below: folders.slice(step + 1) }))
    .toSorted((a, b) => a.folder.split('/').length - b.folder.split('/').length);
}

/** The path of a folder as a file of another folder writes it. */
function toPattern(from: string, path: string): string {
  return path.replace(/^(.+\/)/, (outer) => (`${from}/`.startsWith(outer) ? `(${outer})?` : outer));
}

/** The rules of a package: what it may import from outside, and the ladder. The last rule that matches a file wins. */
const borders = (name: Package, ...patterns: Pattern[]): Override[] => [
  { files: [`packages/${name}/src/**`], rules: imports(...patterns) },
  ...ladder(name).map(({ folder, above, below }) => ({
    files: [`packages/${name}/src/lib/${folder}/**`],
    rules: imports(...patterns, {
      // A folder within another one is also reached by its last name, from there.
      regex: `^(\\.\\.?/)+(${above.map((path) => toPattern(folder, path)).join('|')}|lib|index\\.ts)(/|$)`,
      message: `${folder}/ imports only from the folders below it: ${below.join(', ') || 'there is none'}.`,
    }),
  })),
  {
    files: [`packages/${name}/src/**/*.{test,test-d}.ts`],
    rules: imports(...patterns.filter((pattern) => pattern !== node && pattern !== nodeTimers)),
  },
];

export default defineConfig({
  plugins: ['typescript', 'unicorn', 'oxc', 'import', 'promise'],
  options: { typeAware: true, denyWarnings: true, reportUnusedDisableDirectives: 'error' },
  categories: { correctness: 'error', suspicious: 'error' },
  ignorePatterns: ['**/dist/**', 'bench/peers/**', '.cache/**', 'test-results/**', 'scripts/fixtures/**'],
  rules: {
    eqeqeq: 'error',
    'no-console': 'error',
    'no-var': 'error',
    'import/no-cycle': ['error', { ignoreTypes: false }],
    'import/no-default-export': 'error',
    'import/no-unassigned-import': ['error', { allow: ['**/*.css'] }],
    'typescript/ban-ts-comment': ['error', { 'ts-expect-error': 'allow-with-description' }],
    'typescript/consistent-type-imports': 'error',
    'typescript/no-explicit-any': 'error',
    'typescript/no-floating-promises': 'error',
    'typescript/no-misused-promises': ['error', { checksVoidReturn: { returns: false, attributes: false } }],
    'typescript/only-throw-error': ['error', { allowThrowingUnknown: true }],
    'typescript/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: true }],
    'unicorn/no-abusive-eslint-disable': 'error',
    'unicorn/prefer-node-protocol': 'error',
    // Each of these was tried on the code and named only what was meant.
    'import/no-named-as-default-member': 'off',
    'no-shadow': 'off',
    'no-underscore-dangle': 'off',
    'promise/always-return': 'off',
    'no-unmodified-loop-condition': 'off',
    'promise/no-callback-in-promise': 'off',
    'promise/no-promise-in-callback': 'off',
    'typescript/consistent-return': 'off',
    'typescript/no-redundant-type-constituents': 'off',
    'typescript/no-this-alias': 'off',
    'typescript/no-unnecessary-boolean-literal-compare': 'off',
    'typescript/no-unsafe-type-assertion': 'off',
    'typescript/unbound-method': 'off',
    'unicorn/consistent-function-scoping': 'off',
    'unicorn/no-useless-spread': 'off',
    'unicorn/require-post-message-target-origin': 'off',
  },
  overrides: [
    ...borders('shared', node, server, client),
    ...borders('client', node, server, inside),
    ...borders('server', nodeTimers, client, inside),
    // Hermes, the engine of React Native, has no toSorted. `[...list].sort()` does the same.
    { files: ['packages/{client,shared}/src/**'], rules: { 'unicorn/no-array-sort': 'off' } },
    { files: ['packages/*/src/lib/base/report.ts'], rules: { 'no-console': 'off' } },
    {
      files: ['packages/*/src/**'],
      rules: {
        'no-restricted-globals': ['error', ...restrictedGlobals],
        'no-restricted-properties': ['error', ...restrictedProperties],
      },
    },
    {
      files: ['packages/*/src/lib/**/{state,frame,cursor,address,retry-policy,accept}.ts'],
      rules: {
        'no-restricted-globals': [
          'error',
          ...restrictedGlobals,
          ...surroundings.map((name) => ({ name, message: pureMessage })),
        ],
      },
    },
    {
      files: ['packages/*/src/**/clock.ts', '**/*.{test,test-d}.ts'],
      rules: { 'no-restricted-globals': 'off', 'no-restricted-properties': 'off' },
    },
    // Constraints such as Schema<any>: `unknown` there would refuse every schema that is not unknown.
    {
      files: ['packages/shared/src/lib/contract/{channel,schema}.ts'],
      rules: { 'typescript/no-explicit-any': 'off' },
    },
    {
      files: ['scripts/**', 'e2e/**', 'examples/**', 'bench/**', 'simulate/**', 'packages/*/test-kit/**'],
      rules: { 'no-console': 'off', 'typescript/no-misused-promises': 'off' },
    },
    {
      files: ['**/*.test.ts'],
      plugins: ['typescript', 'unicorn', 'oxc', 'import', 'promise', 'vitest'],
      rules: {
        'typescript/no-misused-promises': 'off',
        'vitest/expect-expect': ['error', { assertFunctionNames: ['expect*', 'assert*', 'fc.assert'] }],
        'vitest/no-conditional-expect': 'off',
        'vitest/no-disabled-tests': 'error',
        'vitest/no-focused-tests': 'error',
        'vitest/no-standalone-expect': 'off',
        'vitest/warn-todo': 'error',
        'vitest/require-mock-type-parameters': 'off',
        'vitest/require-to-throw-message': 'off',
      },
    },
    {
      files: ['**/*.tsx'],
      plugins: ['typescript', 'unicorn', 'oxc', 'import', 'promise', 'react', 'jsx-a11y'],
      rules: { 'react/react-in-jsx-scope': 'off' },
    },
    { files: ['**/*.config.ts'], rules: { 'import/no-default-export': 'off' } },
  ],
});

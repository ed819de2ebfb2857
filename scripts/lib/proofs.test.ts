import { expect, test } from 'vitest';
import { symbolsIn, titlesIn } from './proof-sources.ts';
import { findProofProblems, parseProofs, readBounds, readRules, type ProofSources } from './proofs.ts';

const TEXT = `# Rules and their proof

## Reasons without a seam

- \`http\`: no world has sockets.

## §5.3 Gaps

- [\`gap-first\`](PROTOCOL.md#gap-first): \`announce\`, \`Track.takeGaps\`
  - test: a gap is announced first
  - test: a \\*gap\\* for %s
  - seam: \`gaps-before-events\`
- [\`head\`](PROTOCOL.md#head): \`Head\`
  - test: the head is sent
  - no seam: \`http\`

## Limits: A feed

- \`pingMs\`
  - test: a ping is sent
`;

const PROTOCOL = `# Protocol

<a id="head"></a>The head is sent immediately.

- <a id="gap-first"></a>A gap MUST be announced
  before any later event.

\`\`\`ts
/** Not a rule here: MUST. */
\`\`\`
`;

const LIMITS = `# Limits

## A feed

| option   | default |
| -------- | ------- |
| \`pingMs\` | 15,000  |
`;

const SOURCES: ProofSources = {
  text: TEXT,
  documents: { 'PROTOCOL.md': PROTOCOL },
  limits: LIMITS,
  titles: new Set(['a gap is announced first', 'a *gap* for %s', 'the head is sent', 'a ping is sent']),
  symbols: new Set(['announce', 'Track.takeGaps', 'Head']),
  seams: new Set(['gaps-before-events']),
};

const problemsWith = (change: Partial<ProofSources>): string[] =>
  findProofProblems({ ...SOURCES, ...change });
const without = (text: string, part: string): string => {
  expect(text).toContain(part);
  return text.replace(part, '');
};

test('proofs of every rule and every bound have no problem', () => {
  expect(findProofProblems(SOURCES)).toEqual([]);
});

test('a proof has the code, the tests, the seams and the reasons of its rule', () => {
  expect(parseProofs(TEXT)).toEqual({
    reasons: ['http'],
    proofs: [
      {
        id: 'gap-first',
        document: 'PROTOCOL.md',
        symbols: ['announce', 'Track.takeGaps'],
        tests: ['a gap is announced first', 'a *gap* for %s'],
        seams: ['gaps-before-events'],
        reasons: [],
      },
      {
        id: 'head',
        document: 'PROTOCOL.md',
        symbols: ['Head'],
        tests: ['the head is sent'],
        seams: [],
        reasons: ['http'],
      },
      {
        id: 'A feed: `pingMs`',
        document: undefined,
        symbols: [],
        tests: ['a ping is sent'],
        seams: [],
        reasons: [],
      },
    ],
  });
});

test('a rule without a proof is a problem', () => {
  const text = `${PROTOCOL}\n<a id="late"></a>A late rule.\n`;
  expect(problemsWith({ documents: { 'PROTOCOL.md': text } })).toEqual([
    'late: it has no proof in PROOFS.md.',
  ]);
});

test('a bound without a proof is a problem', () => {
  expect(problemsWith({ limits: `${LIMITS}| \`retryMs\` | 1,000 |\n` })).toEqual([
    'A feed: `retryMs`: it has no proof in PROOFS.md.',
  ]);
});

test.each([
  'A client MUST wait.',
  '- A client SHOULD wait.',
  '1. A client MUST NOT wait.',
  '| a | it MUST wait |',
])('a rule without an id is a problem: %s', (rule) => {
  const text = `${PROTOCOL}\n## Later\n\n${rule}\n`;
  expect(problemsWith({ documents: { 'PROTOCOL.md': text } })).toEqual([
    `PROTOCOL.md: give this rule an id: ${rule}`,
  ]);
});

test('the id of the sentence before a table counts for each row', () => {
  const table =
    '<a id="answers"></a>Answers:\n\n| a | b |\n| - | - |\n| c | it MUST wait |\n| d | it MUST end |\n';
  expect(readRules(table)).toEqual({ ids: ['answers'], unnamed: [] });
});

test('one id for two rules is a problem', () => {
  expect(
    problemsWith({ documents: { 'PROTOCOL.md': PROTOCOL, 'OTHER.md': '<a id="head"></a>Other.' } }),
  ).toContain('OTHER.md: the id "head" names two rules.');
});

test('two bounds with one name in a section are a problem', () => {
  expect(problemsWith({ limits: `${LIMITS}| \`pingMs\` | 1 |\n` })).toEqual([
    'docs/limits.md: two bounds of a section have one name.',
  ]);
});

test('a proof without a rule is a problem', () => {
  expect(problemsWith({ documents: { 'PROTOCOL.md': without(PROTOCOL, '<a id="head"></a>') } })).toEqual([
    'head: no rule and no bound has this name.',
  ]);
});

test('two proofs of one rule are a problem', () => {
  const [entry] = /^- \[`head`[^]*?`http`\n/m.exec(TEXT)!;
  expect(problemsWith({ text: TEXT + `\n## §9 Ending\n\n${entry}` })).toEqual(['head: it has two proofs.']);
});

test('a proof whose link names another document is a problem', () => {
  expect(problemsWith({ text: TEXT.replace('(PROTOCOL.md#head)', '(OTHER.md#head)') })).toEqual([
    'head: the rule is not in OTHER.md.',
  ]);
});

test('a title that no test has is a problem', () => {
  const titles = new Set([...SOURCES.titles].filter((title) => title !== 'the head is sent'));
  expect(problemsWith({ titles })).toEqual(['head: no test has the title "the head is sent".']);
});

test('a symbol that no source declares is a problem', () => {
  expect(problemsWith({ symbols: new Set(['announce', 'Head', 'Track']) })).toEqual([
    'gap-first: no source declares Track.takeGaps.',
  ]);
});

test('a seam that no source has is a problem', () => {
  expect(problemsWith({ seams: new Set() })).toEqual([
    'gap-first: no source has the seam gaps-before-events.',
  ]);
});

test.each([
  ['a proof without a test', '  - test: the head is sent\n', 'head: it names no test.'],
  [
    'a proof without the code that decides its rule',
    ': `Head`',
    'head: it does not name the code that decides it.',
  ],
  [
    'a proof with neither a seam nor a reason',
    '  - no seam: `http`\n',
    'head: it names neither a seam nor a reason without one.',
  ],
  [
    'a reason without an explanation',
    '- `http`: no world has sockets.\n',
    'head: the reason http is not explained.',
  ],
])('%s is a problem', (_, part, problem) => {
  expect(problemsWith({ text: without(TEXT, part) })).toEqual([problem]);
});

test('readBounds reads the first cell of every row with its section', () => {
  const table =
    '## B\n\n| what  | value |\n| ----- | ----- |\n| a `b` | 1     |\n| c     | 2     |\n\nText.\n';
  expect(readBounds(LIMITS + table)).toEqual(['A feed: `pingMs`', 'B: a `b`', 'B: c']);
});

test('titlesIn reads the titles of tests, of tables of tests and of contract cases, as they are written', () => {
  const text = [
    "test('a', () => {});",
    "it.each([1])('b %s', () => {});",
    'it.each<[string]>([])(`c ${name}`, () => {});',
    "test.describe('d', () => { test('e', { timeout: 1 }, () => {}); });",
    "const cases = [{ name: 'f', async run() {} }, { name: 'no case' }];",
    "say('no test'); test(name, () => {});",
  ].join('\n');
  expect(titlesIn('a.test.ts', text)).toEqual(['a', 'b %s', 'c ${name}', 'd', 'e', 'f']);
});

test('symbolsIn reads functions, types, classes with their members, and variables', () => {
  const text = [
    'export function a(): void {}',
    'type B = 1; interface C {}',
    'class D { #e = 1; f(): void {} get g(): number { return 1; } }',
    'export const h = 1; const { i } = j;',
  ].join('\n');
  expect(symbolsIn('a.ts', text)).toEqual(['a', 'B', 'C', 'D', 'D.#e', 'D.f', 'D.g', 'h']);
});

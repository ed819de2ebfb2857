import { expect, it } from 'vitest';
import { findHardWords, passagesOfMarkdown, passagesOfSource } from './prose.ts';

const inSource = (text: string): string[] => findHardWords(passagesOfSource('a.ts', text));
const inMarkdown = (text: string): string[] => findHardWords(passagesOfMarkdown('a.md', text));

it('the word list reports a comment, a message and a Markdown line with their lines', () => {
  expect(inSource('\n/** Waits\n * behind the tail. */\nexport const a = 1;')).toEqual([
    expect.stringMatching(/^a\.ts:2: “behind”/),
  ]);
  expect(inSource('throw new Error("The reader comes back late.");')).toEqual([
    expect.stringMatching(/^a\.ts:1: “comes back”/),
  ]);
  expect(inSource('throw new Error(`No ${1} reader stands in line.`);')).toHaveLength(1);
  expect(
    findHardWords(passagesOfSource('a.tsx', 'const a = <p>\n  The number that every event\n  bears.\n</p>;')),
  ).toEqual([expect.stringMatching(/^a\.tsx:1: “bears”/)]);
  expect(inMarkdown('Fine.\n\nKept for ever.')).toEqual([expect.stringMatching(/^a\.md:3: “for ever”/)]);
});

it.each([
  'Who asks.',
  'First. Who waits is served.',
  'One that is gone.',
  'Of a stream, the id.',
  'It bears an id.',
  'All of which end.',
  'It is to be closed.',
  'Nobody reads it.',
  'The frame says so.',
  'A timeout is no failure.',
  'What `tail` calls. What it needs.',
])('the word list reports the sentence “%s”', (sentence) => {
  expect(inSource(`// ${sentence}`)).toHaveLength(1);
});

it('the word list reads a template as one text', () => {
  expect(inSource('fail(`${id} came behind ${last}`);')).toHaveLength(1);
  expect(inSource('fail(`${id} comes ${1} back late`);')).toEqual([]);
});

it('the word list ignores code, short texts and words with another meaning', () => {
  expect(inSource("// Waits for `behind`.\nexport const state = 'behind';")).toEqual([]);
  expect(inSource('// The one that is newest wins. It bearsomething.')).toEqual([]);
  expect(inSource('// There is no event. It is no longer held. What is it? There are no readers.')).toEqual(
    [],
  );
  expect(inMarkdown('## What it costs\n\nThere\nis no cost.')).toEqual([]);
  expect(inMarkdown('```ts\nconst behind = 1;\n```\n[a](behind.md) https://example.test/nobody')).toEqual([]);
});

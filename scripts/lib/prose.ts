/** Finds words in comments, texts and Markdown that make them hard to read in a second language. */
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from './command.ts';
import { parseSource, type SyntaxNode } from './parse-source.ts';

/** A piece of prose, and where it stands. */
export interface Passage {
  readonly file: string;
  /** Counted from 1. */
  readonly line: number;
  readonly text: string;
}

/** Each pattern with the words to write instead. */
const PATTERNS: ReadonlyArray<readonly [pattern: RegExp, instead: string]> = [
  [/\bbehind\b/i, 'after (time, order), before or past (positions)'],
  [/\b(bears|borne)\b/i, 'has'],
  [/\bwho(so)?ever\b/i, 'the client, the caller, each …'],
  [/\bfor ever\b/i, 'forever'],
  [/\bof (which|whom)\b/i, 'a second sentence'],
  [/\bsave (for|in|when|where|that)\b/i, 'except'],
  [/\b(is|are) to be\b/i, 'must be'],
  [/\b(comes?|came|coming) back\b/i, 'reconnects, returns'],
  [/\b(hears?|heard)\b/i, 'receives'],
  [/\bsays\b/i, 'states, reports, names, contains'],
  [/\b(stands?|stood|standing) (in|for|at|on|behind|beside|before|still)\b/i, 'is, waits, has the position'],
  [/\b(nobody|somebody)\b/i, 'no client, no reader, another process'],
  [/(?<!^\s*)(?<!\bt?here )\b(is|are|was|were) no (?!longer\b|more\b|other\b)(?=\w)/i, 'is not a, are not'],
  [/(^|[.:;!] )What (a|an|it|one|each|the|this|is)\b[^?]*$/, 'the noun: the part that …, the callbacks of …'],
  [/(^|[.:;!?] )(Who|Whoever|One that|Those (who|that)|Of (a|an|the|these|those)) /, 'subject, verb, object'],
];

/** @returns one line for each word that must be replaced. */
export function findHardWords(passages: Iterable<Passage>): string[] {
  const found: string[] = [];
  for (const { file, line, text } of passages) {
    const prose = text.replaceAll(/`[^`]*`|\]\([^)]*\)|https?:\S+/g, '');
    for (const [pattern, instead] of PATTERNS) {
      const [word] = pattern.exec(prose) ?? [];
      if (word !== undefined)
        found.push(`${file}:${line}: “${word.trim()}”; write: ${instead}. ${text.trim().slice(0, 90)}`);
    }
  }
  return found;
}

/** The comments of a TypeScript file, and its texts of three words or more: messages, test titles, text in elements. */
export function passagesOfSource(file: string, text: string): Passage[] {
  const lineAt = createLineCounter(text);
  const { nodes, comments } = parseSource(file, text);
  const passages = comments.map(({ start, value }) => ({
    file,
    line: lineAt(start),
    text: value
      .split('\n')
      .map((line) => line.replace(/^\s*\*+ ?/, '').trim())
      .join(' '),
  }));
  for (const node of nodes) {
    const value = node.type === 'Literal' || node.type === 'JSXText' ? node['value'] : undefined;
    const found = node.type === 'TemplateLiteral' ? templateOf(node) : typeof value === 'string' ? value : '';
    const words = found.replaceAll(/\s+/g, ' ').trim();
    if (/\S \w+ \S/.test(words)) passages.push({ file, line: lineAt(node.start), text: words });
  }
  return passages;
}

/** The paragraphs of a Markdown file, without code. */
export function passagesOfMarkdown(file: string, text: string): Passage[] {
  const passages: Passage[] = [];
  let isCode = false;
  for (const [index, line] of text.split('\n').entries()) {
    if (/^\s*(```|~~~)/.test(line)) isCode = !isCode;
    else if (!isCode && line.trim() !== '') passages.push({ file, line: index + 1, text: line });
  }
  return passages;
}

/** All prose of the repository. */
export function readProse(): Passage[] {
  const exclude = (path: string): boolean =>
    /(^|\/)(node_modules|dist|fixtures|\.git|findings|peers|test-results|records)$/.test(path);
  const read = (pattern: string, passagesOf: (file: string, text: string) => Passage[]): Passage[] =>
    globSync(pattern, { cwd: ROOT, exclude }).flatMap((file) =>
      passagesOf(file, readFileSync(join(ROOT, file), 'utf8')),
    );
  return [
    ...read('**/*.{ts,tsx}', passagesOfSource),
    ...read('{**/*.md,.changeset/*.md}', passagesOfMarkdown),
  ].filter(({ file }) => !/(^|\/)prose(\.test)?\.ts$/.test(file));
}

function createLineCounter(text: string): (offset: number) => number {
  const starts = [...text.matchAll(/^/gm)].map(({ index }) => index);
  return (offset) => starts.findLastIndex((start) => start <= offset) + 1;
}

/** The text of a template, with `…` for each expression: a phrase may go on after one. */
function templateOf(node: SyntaxNode): string {
  const parts = node['quasis'] as ReadonlyArray<{ readonly value: { readonly cooked?: string } }>;
  return parts.map(({ value }) => value.cooked ?? '').join('…');
}

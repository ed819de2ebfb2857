import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { expectGolden, Transcript } from './golden.ts';

let folder = '';
beforeEach(() => void (folder = mkdtempSync(join(tmpdir(), 'linefeed-golden-'))));
afterEach(() => rmSync(folder, { recursive: true }));

describe('a record of the wire', () => {
  const fileOf = (name: string): URL => pathToFileURL(join(folder, name));
  const compare = (name: string, text: string): void => expectGolden(fileOf(name), text, 'compare');

  it('a difference from a record is reported with its first differing line', () => {
    writeFileSync(fileOf('a.txt'), 'one\ntwo\nthree\n');
    expect(() => compare('a.txt', 'one\ntwo\nthree\n')).not.toThrow();
    expect(() => compare('a.txt', 'one\n2\nthree\n')).toThrow(
      'The bytes differ from a.txt, line 2:\n    one\n  - two\n  + 2',
    );
    expect(() => compare('a.txt', 'one\ntwo\n')).toThrow('line 3');
    expect(() => compare('a.txt', 'one\ntwo\nthree\nfour\n')).toThrow('line 4');
  });

  it('a missing record fails, and only the mode `record` writes one', () => {
    expect(() => compare('none.txt', 'one\n')).toThrow('There is no record');
    expectGolden(fileOf('below/none.txt'), 'one\n', 'record');
    expect(readFileSync(fileOf('below/none.txt'), 'utf8')).toBe('one\n');
  });
});

describe('a transcript', () => {
  it('a transcript names connections, and leaves out the words of errors', () => {
    const [first, second] = ['1'.repeat(32), 'a'.repeat(32)];
    const transcript = new Transcript();
    for (const id of [first, second, first]) transcript.body('A', `{"connection":"${id}"}\n`);
    transcript.body('A', '{"title":"any \\"words\\"","status":400,"message":"app: own"}\n');
    expect(transcript.text).toBe(
      [
        'A | {"connection":"<connection 1>"}',
        'A | {"connection":"<connection 2>"}',
        'A | {"connection":"<connection 1>"}',
        'A | {"title":"<words>","status":400,"message":"app: own"}',
        '',
      ].join('\n'),
    );
  });

  it('a transcript shows control characters, and a last line without a line break', () => {
    const transcript = new Transcript();
    transcript.body('A', 'a\r\n\u0000b \n\nc');
    expect(transcript.text).toBe('A | a<U+000d>\nA | <U+0000>b \nA |\nA | c\nA \\ no line break\n');
  });
});

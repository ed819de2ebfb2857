/**
 * Records of the wire: a transcript of requests and responses, and its comparison with a recorded file.
 *
 * `LINEFEED_GOLDEN=record npx pnpm@12 exec vitest run --project unit golden` rewrites the records.
 *
 * A transcript has every byte, with these exceptions:
 *
 * - A connection's id is random, and becomes `<connection 1>`, `<connection 2>` …
 * - The words of an error are for people, and become `<words>`. Words that start with `app: ` are of the scripted
 *   application, and stay.
 * - 200 or more equal characters become their number, as in `<20000 × x>`.
 * - A `Date` header becomes `<date>`, and the `Content-Length` of words `<length>`.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import { fileURLToPath } from 'node:url';

const CONTEXT_LINES = 3;

/** Compares a transcript with its record, or rewrites the record. @throws Error that names the first differing line */
export function expectGolden(
  file: URL,
  text: string,
  mode: string | undefined = process.env['LINEFEED_GOLDEN'],
): void {
  const path = fileURLToPath(file);
  if (mode === 'record') {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
    return;
  }
  if (!existsSync(path))
    throw new Error(`There is no record ${path}; record it with LINEFEED_GOLDEN=record.`);
  const recorded = readFileSync(path, 'utf8');
  if (recorded !== text) throw new Error(describeDifference(basename(path), recorded, text));
}

function describeDifference(name: string, recorded: string, text: string): string {
  const wanted = recorded.split('\n');
  const got = text.split('\n');
  const at = wanted.findIndex((line, index) => line !== got[index]);
  const index = at === -1 ? wanted.length : at;
  const show = (line: string | undefined): string => (line === undefined ? 'the end' : line);
  return [
    `The bytes differ from ${name}, line ${index + 1}:`,
    ...wanted.slice(Math.max(0, index - CONTEXT_LINES), index).map((line) => `    ${line}`),
    `  - ${show(wanted[index])}`,
    `  + ${show(got[index])}`,
  ].join('\n');
}

/** Lines of text with one mark for each party, in the order of the session. */
export class Transcript {
  #text = '';
  readonly #ids = new Map<string, string>();

  /** A step of the script. */
  step(words: string): void {
    this.#text += `\n* ${words}\n`;
  }

  /** The start line and headers of a request (`>`) or a response (`<`). */
  head(name: string, mark: '>' | '<', lines: readonly string[]): void {
    for (const line of lines) this.#line(`${name} ${mark}`, line);
  }

  /** The bytes of a body. */
  body(name: string, text: string): void {
    const lines = text.split('\n');
    const last = lines.pop();
    for (const line of lines) this.#line(`${name} |`, line);
    if (last !== '' && last !== undefined) {
      this.#line(`${name} |`, last);
      this.#line(`${name} \\`, 'no line break');
    }
  }

  /** A remark about a response, such as its end. */
  remark(name: string, words: string): void {
    this.#line(`${name} .`, words);
  }

  get text(): string {
    return this.#text.trimStart();
  }

  #line(prefix: string, line: string): void {
    const shown = visible(this.#mask(line));
    this.#text += shown === '' ? `${prefix}\n` : `${prefix} ${shown}\n`;
  }

  #mask(line: string): string {
    return line
      .replaceAll(
        /("connection":")([0-9a-f]{32})"/g,
        (_all, before: string, id: string) => `${before}${this.#nameOf(id)}"`,
      )
      .replaceAll(/"(title|message)":"(?!app: )(?:[^"\\]|\\.)+"/g, '"$1":"<words>"')
      .replaceAll(/(.)\1{199,}/g, (run, character: string) => `<${run.length} × ${character}>`)
      .replace(/^(date): .*/i, '$1: <date>')
      .replace(/^(content-length): [1-9].*/i, '$1: <length>');
  }

  #nameOf(id: string): string {
    const name = this.#ids.get(id) ?? `<connection ${this.#ids.size + 1}>`;
    this.#ids.set(id, name);
    return name;
  }
}

/** Control characters in a form that an editor does not change. */
function visible(text: string): string {
  return text.replaceAll(
    // oxlint-disable-next-line no-control-regex -- these are the characters in question
    /[\u0000-\u0009\u000b-\u001f\u007f\u2028\u2029\ufeff]/g,
    (character) => `<U+${character.charCodeAt(0).toString(16).padStart(4, '0')}>`,
  );
}

/** Lets everything happen that needs no time: promises, streams, and turns of the event loop. */
export async function settle(
  clockSettle: () => Promise<void>,
  isDone: () => boolean = () => true,
): Promise<void> {
  const turn = async (): Promise<void> => {
    await clockSettle();
    await new Promise((resolve) => setImmediate(resolve));
  };
  for (let round = 0; round < MAX_ROUNDS && !isDone(); round += 1) await turn();
  for (let round = 0; round < QUIET_ROUNDS; round += 1) await turn();
}

/** Enough for every chain of promises of an adapter in memory. */
const QUIET_ROUNDS = 12;
/** Ends a wait for a condition that never becomes true. */
const MAX_ROUNDS = 100_000;

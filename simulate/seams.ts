/** Seams: marked places in the real sources where a fault replaces an expression or a statement. */
import { globSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseSource, type SyntaxNode } from '../scripts/lib/parse-source.ts';

/** Path to text. */
export type Sources = ReadonlyMap<string, string>;

/** The expression or the statement after a marker comment. */
export interface Seam {
  readonly file: string;
  readonly start: number;
  readonly end: number;
  readonly isStatement: boolean;
}

/**
 * The new text for each seam, by its name. `$` is the original text. An empty text removes a statement.
 */
export type Plan = Readonly<Record<string, string>>;

const MARKER = /^ seam: ([a-z0-9]+(?:-[a-z0-9]+)*) $/;
const STATEMENT = /Statement$|^(Variable|Function|Class)Declaration$/;
const EXPRESSION = /Expression$|Literal$|^Identifier$/;
const ROOT = fileURLToPath(new URL('..', import.meta.url));

/** The sources of all packages, without tests, by absolute path. */
export function readSources(): Sources {
  const paths = globSync('packages/*/src/**/*.{ts,tsx}', { cwd: ROOT });
  const isTest = (path: string): boolean => /\.test(-d)?\.tsx?$/.test(path);
  return new Map(
    paths.filter((path) => !isTest(path)).map((path) => [ROOT + path, readFileSync(ROOT + path, 'utf8')]),
  );
}

/**
 * Finds every seam by its name.
 *
 * @throws Error for two markers with one name, a marker of another form, and a marker without an expression or a
 *   statement directly after it.
 */
export function findSeams(sources: Sources): Map<string, Seam> {
  const seams = new Map<string, Seam>();
  for (const [file, text] of sources) {
    if (!text.includes('seam:')) continue;
    const { nodes, comments } = parseSource(file, text);
    for (const comment of comments) {
      if (!comment.value.includes('seam:')) continue;
      const [, name] = MARKER.exec(comment.value) ?? [];
      if (name === undefined) throw new Error(`${file}: write the marker as /* seam: name */.`);
      if (seams.has(name)) throw new Error(`Two markers are named "${name}"; give each its own name.`);
      const start = comment.end + /^\s*/.exec(text.slice(comment.end))![0].length;
      const node = nodes.filter((each) => each.start === start).toSorted((a, b) => b.end - a.end)[0];
      const isStatement = STATEMENT.test(node?.type ?? '');
      if (node === undefined || !(isStatement || EXPRESSION.test(node.type)))
        throw new Error(`"${name}" in ${file} must be directly before an expression or a statement.`);
      seams.set(name, { file, start, end: node.end, isStatement });
    }
  }
  return seams;
}

/**
 * Returns the changed files of a plan.
 *
 * @throws Error if a seam does not exist, or a changed file does not parse or contains a name that it did not have.
 *   Such a file throws at run time, and the checker would count that as a caught fault.
 */
export function plantPlan(
  plan: Plan,
  sources: Sources,
  seams: ReadonlyMap<string, Seam>,
): Map<string, string> {
  const edits = Object.entries(plan).map(([name, template]) => {
    const seam = seams.get(name);
    if (seam === undefined) throw new Error(`No source has the marker /* seam: ${name} */.`);
    return { ...seam, template };
  });
  const changed = new Map<string, string>();
  // From the end of a file to its start, so that the offsets of the other edits stay valid.
  for (const { file, start, end, isStatement, template } of edits.toSorted((a, b) => b.start - a.start)) {
    const text = changed.get(file) ?? sources.get(file)!;
    const original = text.slice(start, end);
    const filled = template.replaceAll('$', () => (isStatement ? original : `(${original})`));
    changed.set(file, text.slice(0, start) + (isStatement ? filled || ';' : `(${filled})`) + text.slice(end));
  }
  for (const [file, text] of changed) checkNames(file, sources.get(file)!, text);
  return changed;
}

function checkNames(file: string, before: string, after: string): void {
  const known = new Set(parseSource(file, before).nodes.map(({ name }) => name));
  const { nodes } = parseSource(file, after);
  const declared = nodes.flatMap(({ id, params }) => [id, ...(Array.isArray(params) ? params : [])]);
  const own = new Set(declared.map((node) => (node as SyntaxNode | undefined)?.['name']));
  for (const { name } of nodes) {
    if (typeof name !== 'string' || known.has(name) || own.has(name)) continue;
    if (name in globalThis || name in Array.prototype) continue;
    throw new Error(`A fault uses "${name}", which ${file} does not have.`);
  }
}

/** Compares PROOFS.md with the rules of the documents and with the names of the code. */

/** An entry of PROOFS.md: the proof of a rule or a bound. */
export interface Proof {
  /** The id of a rule; `<section>: <first cell>` for a bound of docs/limits.md. */
  readonly id: string;
  /** The document that a rule's link names; none for a bound. */
  readonly document: string | undefined;
  readonly symbols: readonly string[];
  readonly tests: readonly string[];
  readonly seams: readonly string[];
  /** Names of the reasons why no fault of the simulator can break the rule. */
  readonly reasons: readonly string[];
}

export interface Proofs {
  readonly proofs: readonly Proof[];
  /** The names of the reasons that the document explains. */
  readonly reasons: readonly string[];
}

export interface ProofSources {
  /** PROOFS.md. */
  readonly text: string;
  /** The documents with rules, by the name in a link. */
  readonly documents: Readonly<Record<string, string>>;
  /** docs/limits.md. */
  readonly limits: string;
  /** Titles of tests, names of symbols, names of seams. */
  readonly titles: ReadonlySet<string>;
  readonly symbols: ReadonlySet<string>;
  readonly seams: ReadonlySet<string>;
}

const LIMITS = 'Limits: ';
const REASONS = 'Reasons without a seam';

/** Reads the entries: a list item for each rule or bound, with items below it. */
export function parseProofs(text: string): Proofs {
  const proofs: Array<Proof & { tests: string[]; seams: string[]; reasons: string[] }> = [];
  const reasons: string[] = [];
  let section = '';
  for (const line of text.split('\n')) {
    const [, heading] = /^## (.*)/.exec(line) ?? [];
    section = heading ?? section;
    const [, item] = /^- (.*)/.exec(line) ?? [];
    const [, key, value] = /^ {2}- (test|seam|no seam): (.*)/.exec(line) ?? [];
    if (item !== undefined) {
      const [, id, document] = /^\[`([^`]+)`\]\((.*)#\1\)/.exec(item) ?? [];
      if (section === REASONS) reasons.push(...codesIn(item).slice(0, 1));
      else if (section.startsWith(LIMITS))
        proofs.push(toProof(`${section.slice(LIMITS.length)}: ${item}`, undefined, []));
      else if (id !== undefined) proofs.push(toProof(id, document, codesIn(item).slice(1)));
    } else if (key === 'test') proofs.at(-1)?.tests.push(unescape(value!));
    else if (key === 'seam') proofs.at(-1)?.seams.push(...codesIn(value!));
    else if (key !== undefined) proofs.at(-1)?.reasons.push(...codesIn(value!));
  }
  return { proofs, reasons };
}

/** The ids of the rules in a document, and its blocks with MUST or SHOULD that have none. */
export function readRules(text: string): {
  readonly ids: readonly string[];
  readonly unnamed: readonly string[];
} {
  const ids: string[] = [];
  const unnamed: string[] = [];
  let last: readonly string[] = [];
  for (const block of toBlocks(text)) {
    const own = [...block.matchAll(/<a id="([^"]+)"><\/a>/g)].map(([, id]) => id!);
    ids.push(...own);
    // The sentence before a table names every row.
    const named: readonly string[] = block.startsWith('|') ? [...last, ...own] : own;
    if (/\b(MUST|SHOULD)\b/.test(block) && !block.includes('RFC 2119') && named.length === 0)
      unnamed.push(block);
    last = named;
  }
  return { ids, unnamed };
}

/** The bounds of docs/limits.md: for each row of a table, its section and its first cell. */
export function readBounds(text: string): string[] {
  let section = '';
  const bounds: string[] = [];
  const lines = text.split('\n');
  for (const [index, line] of lines.entries()) {
    section = /^## (.*)/.exec(line)?.[1] ?? section;
    const isHeader = /^\|[\s|:-]+$/.test(lines[index + 1] ?? '');
    if (!line.startsWith('|') || isHeader || /^\|[\s|:-]+$/.test(line)) continue;
    bounds.push(`${section}: ${line.split(/(?<!\\)\|/)[1]!.trim()}`);
  }
  return bounds;
}

/** One sentence for each difference; empty if every rule has its proof. */
export function findProofProblems(sources: ProofSources): string[] {
  const { proofs, reasons } = parseProofs(sources.text);
  const problems: string[] = [];
  const homes = new Map<string, string>();
  for (const [document, text] of Object.entries(sources.documents)) {
    const { ids, unnamed } = readRules(text);
    for (const block of unnamed) problems.push(`${document}: give this rule an id: ${block.slice(0, 80)}`);
    for (const id of ids) {
      if (homes.has(id)) problems.push(`${document}: the id "${id}" names two rules.`);
      homes.set(id, document);
    }
  }
  const bounds = readBounds(sources.limits);
  const wanted = new Set([...homes.keys(), ...bounds]);
  if (wanted.size < homes.size + bounds.length)
    problems.push('docs/limits.md: two bounds of a section have one name.');
  const proved = new Set<string>();
  for (const proof of proofs) {
    const fail = (what: string): void => void problems.push(`${proof.id}: ${what}`);
    if (proved.has(proof.id)) fail('it has two proofs.');
    proved.add(proof.id);
    if (!wanted.has(proof.id)) fail('no rule and no bound has this name.');
    else if (homes.get(proof.id) !== proof.document) fail(`the rule is not in ${proof.document}.`);
    for (const title of proof.tests)
      if (!sources.titles.has(title)) fail(`no test has the title "${title}".`);
    for (const name of proof.symbols) if (!sources.symbols.has(name)) fail(`no source declares ${name}.`);
    for (const name of proof.seams) if (!sources.seams.has(name)) fail(`no source has the seam ${name}.`);
    for (const name of proof.reasons)
      if (!reasons.includes(name)) fail(`the reason ${name} is not explained.`);
    if (proof.tests.length === 0) fail('it names no test.');
    if (proof.document === undefined) continue;
    if (proof.symbols.length === 0) fail('it does not name the code that decides it.');
    if (proof.seams.length + proof.reasons.length === 0)
      fail('it names neither a seam nor a reason without one.');
  }
  for (const id of wanted) if (!proved.has(id)) problems.push(`${id}: it has no proof in PROOFS.md.`);
  return problems;
}

function toProof(
  id: string,
  document: string | undefined,
  symbols: readonly string[],
): Proof & { tests: string[]; seams: string[]; reasons: string[] } {
  return { id, document, symbols, tests: [], seams: [], reasons: [] };
}

/** Paragraphs, list items and table rows, without code blocks. */
function toBlocks(text: string): string[] {
  const prose = text.replaceAll(/^ *```[^]*?^ *```$/gm, '');
  const blocks = prose.split(/\n(?=\s*\n|\s*[-*] |\s*\d+\. |\|)/).map((block) => block.trim());
  return blocks.filter((block) => block !== '');
}

function codesIn(text: string): string[] {
  return [...text.matchAll(/`([^`]+)`/g)].map(([, code]) => code!);
}

/** The formatter of Markdown escapes some characters. */
function unescape(text: string): string {
  return text.replaceAll(/\\([\\*_<>[\]`~#])/g, '$1');
}

/** Reads the documents of the rules, and the names to which their proofs refer. */
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from './command.ts';
import { isNode, parseSource, type SyntaxNode } from './parse-source.ts';
import type { ProofSources } from './proofs.ts';
import { findSeams, readSources } from '../../simulate/seams.ts';

const TEST_FUNCTIONS: readonly unknown[] = ['test', 'it'];

/** The titles of a test file as they are written, so with `%s` or `${…}` for a value of a table. */
export function titlesIn(file: string, text: string): string[] {
  return parseSource(file, text).nodes.flatMap((node) => {
    if (node.type === 'CallExpression') {
      const [first] = node['arguments'] as readonly SyntaxNode[];
      return TEST_FUNCTIONS.includes(rootOf(node)) ? textOf(first, text) : [];
    }
    if (node.type !== 'ObjectExpression') return [];
    // A case of a contract suite: `{ name, run }`.
    const valueOf = (name: string): SyntaxNode | undefined =>
      (node['properties'] as readonly SyntaxNode[]).find(({ key }) => isNode(key) && key['name'] === name)?.[
        'value'
      ] as SyntaxNode | undefined;
    return valueOf('run') === undefined ? [] : textOf(valueOf('name'), text);
  });
}

/** The functions, classes, types, variables and `Class.member`s that a file declares. */
export function symbolsIn(file: string, text: string): string[] {
  return parseSource(file, text).nodes.flatMap((node) => {
    const name = nameOf(node['id']);
    if (name === undefined) return [];
    if (node.type !== 'ClassDeclaration') return [name];
    const { body } = node['body'] as { readonly body: readonly SyntaxNode[] };
    return [
      name,
      ...body.flatMap(({ key }) => (isNode(key) ? [`${name}.${text.slice(key.start, key.end)}`] : [])),
    ];
  });
}

/** Everything that the proofs are compared with. */
export function readProofSources(): ProofSources {
  const documents = ['PROTOCOL.md', 'ARCHITECTURE.md'];
  const tests = '{packages,examples,bench,scripts,simulate,e2e}/**/{*.test,*.test-d,*-cases}.{ts,tsx}';
  return {
    text: readText('PROOFS.md'),
    documents: Object.fromEntries(documents.map((path) => [path, readText(path)])),
    limits: readText('docs/limits.md'),
    titles: readNames(tests, titlesIn),
    symbols: readNames('packages/*/src/**/*.ts', symbolsIn),
    seams: new Set(findSeams(readSources()).keys()),
  };
}

function readNames(pattern: string, read: (file: string, text: string) => string[]): Set<string> {
  const exclude = (path: string): boolean => /(^|\/)(node_modules|dist|fixtures)$/.test(path);
  const paths = globSync(pattern, { cwd: ROOT, exclude });
  return new Set(paths.flatMap((path) => read(path, readText(path))));
}

function readText(path: string): string {
  return readFileSync(join(ROOT, path), 'utf8');
}

/** The function that is called at the start of `test(…)`, `test.each(…)(…)` and the like. */
function rootOf(node: SyntaxNode): unknown {
  let callee: unknown = node;
  while (isNode(callee)) {
    if (callee.type === 'Identifier') return callee['name'];
    callee = callee['callee'] ?? callee['object'] ?? callee['tag'];
  }
  return undefined;
}

function textOf(node: SyntaxNode | undefined, source: string): string[] {
  if (node?.type === 'Literal' && typeof node['value'] === 'string') return [node['value']];
  return node?.type === 'TemplateLiteral' ? [source.slice(node.start + 1, node.end - 1)] : [];
}

function nameOf(id: unknown): string | undefined {
  return isNode(id) && id.type === 'Identifier' ? (id['name'] as string) : undefined;
}

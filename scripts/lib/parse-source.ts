/** Parses a TypeScript file into a flat list of its syntax nodes and comments. */
import { parseSync } from 'vite';

/** A node of the syntax tree, as ESTree names it. Offsets are in UTF-16 code units. */
export interface SyntaxNode {
  readonly type: string;
  readonly start: number;
  readonly end: number;
  readonly [field: string]: unknown;
}

export interface ParsedSource {
  /** A node is before its children. */
  readonly nodes: readonly SyntaxNode[];
  readonly comments: ReadonlyArray<{ readonly value: string; readonly start: number; readonly end: number }>;
}

/** @throws Error if the text does not parse. */
export function parseSource(file: string, text: string): ParsedSource {
  const { program, comments, errors } = parseSync(file, text);
  const [error] = errors;
  if (error !== undefined) throw new Error(`${file} does not parse: ${error.message}\n${error.codeframe}`);
  const nodes: SyntaxNode[] = [];
  const visit = (value: unknown): void => {
    if (typeof value !== 'object' || value === null) return;
    if (isNode(value) && value.type !== 'Program') nodes.push(value);
    for (const child of Object.values(value)) visit(child);
  };
  visit(program);
  return { nodes, comments };
}

export function isNode(value: unknown): value is SyntaxNode {
  return typeof value === 'object' && value !== null && 'type' in value;
}

/** Finds types that a public declaration names and that users cannot import. */
import ts from 'typescript5';

export interface Entry {
  /** The import path for users. */
  readonly name: string;
  /** Its declaration file. */
  readonly path: string;
  /** Other entries that a user of this entry may import types from. */
  readonly besides: readonly string[];
}

export interface UnexportedTypesOptions {
  /** Tells declaration files of these packages from those of other libraries. */
  readonly isOurs: (file: string) => boolean;
  /** Names of types that need no export. */
  readonly ignored?: readonly string[];
}

/**
 * Returns a line for each type that the declarations of an entry name, and that neither this entry nor one of `besides`
 * exports.
 */
export function findUnexportedTypes(
  entries: readonly Entry[],
  { isOurs, ignored = [] }: UnexportedTypesOptions,
): string[] {
  const program = ts.createProgram({
    rootNames: entries.map(({ path }) => path),
    // Only names are resolved, so the libraries of the compiler are not needed.
    options: { module: ts.ModuleKind.NodeNext, noLib: true, types: [] },
  });
  const checker = program.getTypeChecker();
  const resolve = (symbol: ts.Symbol): ts.Symbol =>
    symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol;

  const exported = new Map<string, ReadonlySet<ts.Symbol>>();
  for (const { name, path } of entries) {
    const module = checker.getSymbolAtLocation(program.getSourceFile(path)!);
    exported.set(name, new Set(module === undefined ? [] : checker.getExportsOfModule(module).map(resolve)));
  }

  const lines = new Set<string>();
  for (const { name: entry, besides } of entries) {
    const reachable = new Set([entry, ...besides].flatMap((name) => [...(exported.get(name) ?? [])]));
    for (const symbol of exported.get(entry)!) {
      const declarations = [...(symbol.declarations ?? [])];
      for (const declaration of declarations) {
        const { names, bases } = readNames(declaration);
        for (const node of [...names, ...bases]) {
          const found = checker.getSymbolAtLocation(node);
          const named = found && resolve(found);
          const [first] = named?.declarations ?? [];
          if (named === undefined || first === undefined || !isOurs(first.getSourceFile().fileName)) continue;
          if (named.flags & ts.SymbolFlags.TypeParameter || reachable.has(named)) continue;
          if (ignored.includes(named.name)) continue;
          // A base needs no export, but its members are members of this type.
          if (bases.includes(node)) declarations.push(...named.declarations!);
          else lines.add(`${entry}: ${symbol.name} names ${named.name}, which no entry exports`);
        }
      }
    }
  }
  return [...lines].toSorted();
}

interface Names {
  readonly names: readonly ts.Node[];
  /** The bases of an interface or a class. */
  readonly bases: readonly ts.Node[];
}

function readNames(declaration: ts.Node): Names {
  const names: ts.Node[] = [];
  const bases: ts.Node[] = [];
  const visit = (node: ts.Node): void => {
    if (ts.isTypeReferenceNode(node)) names.push(rightmost(node.typeName));
    else if (ts.isTypeQueryNode(node)) names.push(rightmost(node.exprName));
    else if (ts.isExpressionWithTypeArguments(node)) bases.push(node.expression);
    ts.forEachChild(node, visit);
  };
  visit(declaration);
  return { names, bases };
}

function rightmost(name: ts.EntityName): ts.Node {
  return ts.isQualifiedName(name) ? name.right : name;
}

/** Compares the exported names of the packages, values and types, with the list in the repository. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from './command.ts';
import type { Installation, Package } from './packages.ts';

const LIST = join(ROOT, 'scripts/export-names.json');

/** By entry: exported names, types as `type Name`. */
export type ExportNames = Readonly<Record<string, readonly string[]>>;

/** Reads the names from an entry's declarations: it consists of named re-exports and nothing else. */
export function exportedNames(declarations: string): string[] {
  const names: string[] = [];
  for (const [, type, list] of declarations.matchAll(/export (type )?\{([^}]*)\}/g)) {
    for (const item of list!.split(',')) {
      const name = item
        .trim()
        .split(/\s+as\s+/)
        .at(-1)!;
      if (name === '') continue;
      names.push(type === undefined ? name : `type ${name.replace(/^type /, '')}`);
    }
  }
  return names.toSorted();
}

export function readExportNames(packages: readonly Package[], installation: Installation): ExportNames {
  const files = declarationFiles(packages, installation);
  return Object.fromEntries(
    files.map(({ entry, path }) => [entry, exportedNames(readFileSync(path, 'utf8'))]),
  );
}

export interface DeclarationFile {
  readonly entry: string;
  readonly owner: string;
  readonly path: string;
}

/** The declaration file of each entry. */
export function declarationFiles(
  packages: readonly Package[],
  { folder }: Installation,
): readonly DeclarationFile[] {
  const files: DeclarationFile[] = [];
  for (const { name, manifest } of packages) {
    const published = manifest.publishConfig?.exports ?? manifest.exports;
    for (const [key, target] of Object.entries(published)) {
      if (typeof target !== 'object' || target === null || !('types' in target)) continue;
      const path = join(folder, 'node_modules', name, String(target.types));
      // publint reports that it is missing.
      if (existsSync(path)) files.push({ entry: name + key.slice(1), owner: name, path });
    }
  }
  return files;
}

/** Lines that describe the differences from the stored list; empty if there are none. */
export function compareExportNames(actual: ExportNames, kept: ExportNames = readKept()): string[] {
  const lines: string[] = [];
  for (const entry of new Set([...Object.keys(kept), ...Object.keys(actual)])) {
    const before = new Set(kept[entry]);
    const after = new Set(actual[entry]);
    for (const name of before) if (!after.has(name)) lines.push(`${entry} no longer exports ${name}`);
    for (const name of after) if (!before.has(name)) lines.push(`${entry} newly exports ${name}`);
  }
  return lines;
}

export function keepExportNames(names: ExportNames): void {
  writeFileSync(LIST, `${JSON.stringify(names, undefined, 2)}\n`);
}

function readKept(): ExportNames {
  return existsSync(LIST) ? (JSON.parse(readFileSync(LIST, 'utf8')) as ExportNames) : {};
}

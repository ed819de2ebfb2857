import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { findUnexportedTypes } from './unexported-types.ts';

const folders: string[] = [];

afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
});

/** Writes declaration files; `main` and `other` are entries, `inner` is none. */
function find(files: { main: string; other?: string; inner?: string }, ignored: string[] = []): string[] {
  const folder = mkdtempSync(join(tmpdir(), 'linefeed-unexported-'));
  folders.push(folder);
  for (const [name, text] of Object.entries({ other: '', inner: '', ...files }))
    writeFileSync(join(folder, `${name}.d.ts`), `${text}\nexport {};\n`);
  const entry = (name: string, besides: string[]) => ({ name, path: join(folder, `${name}.d.ts`), besides });
  return findUnexportedTypes([entry('main', []), entry('other', ['main'])], {
    isOurs: (file) => file.includes(folder),
    ignored,
  });
}

describe('findUnexportedTypes', () => {
  it.for([
    ['a parameter of a function', 'export declare function f(inner: Inner): void;'],
    ['a result of a function', 'export declare function f(): Promise<readonly Inner[]>;'],
    ['a member of an interface', 'export interface F { readonly f?: ((inner: Inner) => void) | undefined }'],
    ['a constraint of a type parameter', 'export declare function f<T extends Inner>(t: T): void;'],
    ['an alias', "export type F = Inner['a'] | 'b';"],
  ])('findUnexportedTypes finds a type that is named by %s', ([, declaration]) => {
    const inner = 'export interface Inner { a: string }';
    const main = `import type { Inner } from './inner.js';\n${declaration}`;
    const [line] = declaration!.includes('function f') ? ['f'] : ['F'];
    expect(find({ main, inner })).toEqual([`main: ${line} names Inner, which no entry exports`]);
    expect(find({ main: `${main}\nexport type { Inner };`, inner })).toEqual([]);
    expect(find({ main, inner }, ['Inner'])).toEqual([]);
  });

  it('findUnexportedTypes accepts a type that another entry exports only if it is listed in besides', () => {
    const shared = 'export interface Shared { a: string }\nexport declare const s: Shared;';
    const use = (from: string) =>
      `import type { Shared } from './${from}.js';\nexport declare const u: Shared;`;
    expect(find({ main: shared, other: use('main') })).toEqual([]);
    expect(find({ main: use('other'), other: shared })).toEqual([
      'main: u names Shared, which no entry exports',
    ]);
  });

  it('findUnexportedTypes reads the members of a base, which itself needs no export', () => {
    const inner = 'export interface Base { reason: Reason }\nexport type Reason = 1 | 2;';
    const main = "import type { Base } from './inner.js';\nexport interface Gap extends Base {}";
    expect(find({ main, inner })).toEqual(['main: Gap names Reason, which no entry exports']);
  });

  it('findUnexportedTypes ignores type parameters and the types of other libraries', () => {
    expect(find({ main: 'export declare function f<T>(t: T, request: Request): Map<T, Date>;' })).toEqual([]);
  });
});

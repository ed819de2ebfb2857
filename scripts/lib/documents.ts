/** The documents that are published with the packages. */
import { globSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, posix } from 'node:path';
import { ROOT } from './command.ts';

/** The source of the packages: `repository` of every manifest names it. */
export const REPOSITORY = 'https://github.com/linefeed/linefeed';

/** Paths below the root, and in the tarball below `dist`. */
export function readDocuments(): readonly string[] {
  return ['PROTOCOL.md', ...globSync('docs/*.md', { cwd: ROOT }).toSorted()];
}

export function copyDocuments(dist: string): void {
  const paths = readDocuments();
  for (const path of paths) {
    const target = join(dist, path);
    mkdirSync(dirname(target), { recursive: true });
    writeFileSync(target, toPublished(readFileSync(join(ROOT, path), 'utf8'), path, paths));
  }
}

/** A link of `path` to a document of `published` stays unchanged; a link to another file leads to the repository. */
export function toPublished(text: string, path: string, published: readonly string[]): string {
  return text.replaceAll(/\]\((?![a-z]+:|#)([^)\s#]+)(#[^)\s]*)?\)/g, (link, to: string, hash = '') => {
    const target = posix.join(posix.dirname(path), to);
    return published.includes(target) ? link : `](${REPOSITORY}/blob/main/${target}${hash})`;
  });
}

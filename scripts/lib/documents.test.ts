import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { ROOT } from './command.ts';
import { readDocuments, REPOSITORY, toPublished } from './documents.ts';
import { readPackages } from './packages.ts';

test('a published document keeps links to published files, and links to the repository for others', () => {
  const text =
    '[a](tabs.md#names) [b](../PROTOCOL.md) [c](../examples/trpc) [d](logs.md#x) [e](https://a.b/c.md) [f](#here)';
  expect(toPublished(text, 'docs/client.md', ['docs/client.md', 'docs/tabs.md', 'PROTOCOL.md'])).toBe(
    `[a](tabs.md#names) [b](../PROTOCOL.md) [c](${REPOSITORY}/blob/main/examples/trpc) [d](${REPOSITORY}/blob/main/docs/logs.md#x) [e](https://a.b/c.md) [f](#here)`,
  );
});

test('every page of docs is published', () => {
  expect(readDocuments()).toEqual(
    expect.arrayContaining(['PROTOCOL.md', 'docs/client.md', 'docs/limits.md']),
  );
});

test.each(readPackages())(
  'the manifest of $name has its homepage, issues, repository and keywords',
  ({ manifest, folder }) => {
    expect(manifest).toMatchObject({
      homepage: `${REPOSITORY}#readme`,
      bugs: `${REPOSITORY}/issues`,
      repository: { type: 'git', url: `git+${REPOSITORY}.git`, directory: folder.slice(ROOT.length + 1) },
      keywords: expect.arrayContaining(['sse', 'server-sent-events', 'typescript']) as string[],
    });
  },
);

test.each(readPackages())(
  'every link of the README of $name works outside of the repository',
  ({ folder }) => {
    const text = readFileSync(join(folder, 'README.md'), 'utf8');
    const links = [...text.matchAll(/\]\(([^)]+)\)/g)].map(([, link]) => link!);
    expect(links).not.toEqual([]);
    for (const link of links) {
      expect(link).toMatch(/^https:/);
      const [, path] = link.split(`${REPOSITORY}/blob/main/`);
      if (path !== undefined) expect(existsSync(join(ROOT, path)), link).toBe(true);
    }
  },
);

test.each(readPackages())('every optional peer of $name accepts any version', ({ manifest }) => {
  for (const range of Object.values(manifest.peerDependencies ?? {})) expect(range).toBe('*');
});

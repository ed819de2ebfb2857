/** Builds the script of a page like an application would. */
import { mkdir } from 'node:fs/promises';
import { resolve } from 'node:path';
import { build } from 'vite';

/** Builds an entry of this folder and returns the path of the script. `place`: a folder for this build alone. */
export async function bundle(entry: string, place: string): Promise<string> {
  const outDir = resolve('.cache/e2e', place);
  await mkdir(outDir, { recursive: true });
  await build({
    configFile: false,
    logLevel: 'error',
    build: {
      outDir,
      emptyOutDir: true,
      lib: { entry: resolve('e2e', entry), formats: ['es'], fileName: () => 'app.js' },
    },
  });
  return `${outDir}/app.js`;
}

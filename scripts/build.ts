/** Builds every package into its `dist`. */
import { buildPackage, readPackages } from './lib/packages.ts';

for (const each of readPackages()) {
  const { ok, output } = await buildPackage(each);
  console.log(`${each.name}: ${ok ? 'built' : 'failed'}`);
  if (!ok) {
    console.error(output);
    process.exitCode = 1;
  }
}

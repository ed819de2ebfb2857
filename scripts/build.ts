/** Builds every package into its `dist`. */
import { parseArgs } from 'node:util';
import { buildPackage, readPackages } from './lib/packages.ts';

const HELP = `Usage: npx pnpm@12 build

Compiles each package below packages/ into its dist, from nothing.
`;

const { values } = parseArgs({
  args: process.argv.slice(2).filter((arg) => arg !== '--'),
  options: { help: { type: 'boolean', short: 'h', default: false } },
});

if (values.help) console.log(HELP);
else await buildAll();

async function buildAll(): Promise<void> {
  for (const each of readPackages()) {
    const { ok, output } = await buildPackage(each);
    console.log(`${each.name}: ${ok ? 'built' : 'failed'}`);
    if (!ok) {
      console.error(output);
      process.exitCode = 1;
    }
  }
}

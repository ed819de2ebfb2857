/** The capacity model on the command line: what a load costs. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { readArguments } from './lib/capacity/arguments.ts';
import { writeNumbers } from './lib/capacity/document.ts';
import { computeCapacity } from './lib/capacity/model.ts';
import { formatCapacity, HELP, toJson } from './lib/capacity/table.ts';
import { ROOT, runCommand } from './lib/command.ts';

try {
  const { help, json, updateDocs, plan } = readArguments(process.argv.slice(2));
  if (help) console.log(HELP);
  else if (updateDocs) await update();
  else {
    const capacity = computeCapacity(plan);
    console.log(json ? toJson(plan, capacity) : formatCapacity(plan, capacity));
  }
} catch (error) {
  console.error(`${(error as Error).message}\n\nnpx pnpm@12 capacity --help lists the options.`);
  process.exitCode = 1;
}

async function update(): Promise<void> {
  const path = join(ROOT, 'docs/scaling.md');
  writeFileSync(path, writeNumbers(readFileSync(path, 'utf8')));
  await runCommand('oxfmt', ['docs/scaling.md'], { timeoutMs: 60_000 });
}

/** Runs worlds: `--seeds 10000` that many, `--seed 7` one, `--for 120` as many as fit into that many seconds. */
import { parseArgs } from 'node:util';
import { Worker } from 'node:worker_threads';
import { FAULTS, plant } from './faults.ts';
import type { Traits } from './traits.ts';

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '1000' },
    seed: { type: 'string' },
    from: { type: 'string', default: '1' },
    for: { type: 'string' },
    fault: { type: 'string' },
    bail: { type: 'boolean', default: false },
    trait: { type: 'string', multiple: true, default: [] },
    tabs: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});

if (values.help) {
  console.log(`pnpm simulate [--seeds N] [--from N] [--for SECONDS]   runs worlds from seeds, each the same every time
pnpm simulate --seed N                                    runs one and prints what happens in it
  --bail         stops at the first world that fails
  --trait NAME   every world has this trait (simulate/traits.ts)
  --tabs         users are tabs that share a connection
  --fault NAME   plants a fault first, one of:
${FAULTS.map(({ name }) => `    "${name}"`).join('\n')}`);
  process.exit(0);
}

const fault = FAULTS.find(({ name }) => name === values.fault);
if (values.fault !== undefined) {
  if (fault === undefined) throw new Error(`There is no fault "${values.fault}"; see --help.`);
  plant(fault);
}
// After the fault was planted: a loaded module is not loaded again.
const { runWorld } = await import('./world.ts');

const needed: Partial<Traits> = {
  ...fault?.needs,
  ...Object.fromEntries(values.trait.map((name) => [name, true])),
};

const running = new Int32Array(new SharedArrayBuffer(4));
new Worker(new URL('watchdog.ts', import.meta.url), { workerData: running }).unref();

const one = values.seed === undefined ? undefined : Number(values.seed);
const first = one ?? Number(values.from);
const last = one ?? (values.for === undefined ? first + Number(values.seeds) - 1 : Infinity);
const until = values.for === undefined ? Infinity : performance.now() + Number(values.for) * 1_000;
let passed = 0;
let failed = 0;
let received = 0;
let toldAt = performance.now();

for (let seed = first; seed <= last && performance.now() < until && !(values.bail && failed > 0); seed += 1) {
  Atomics.store(running, 0, seed);
  const outcome = await runWorld(seed, {
    tabs: values.tabs,
    needed,
    bail: values.bail,
    say: one === undefined ? undefined : (line) => console.log(line),
  });
  received += outcome.received;
  if (outcome.violations.length === 0) passed += 1;
  else {
    failed += 1;
    console.log(
      `seed ${seed}: ${outcome.violations[0]} (${outcome.violations.length} in all); again: pnpm simulate${values.tabs ? ' --tabs' : ''}${fault ? ` --fault '${fault.name}'` : ''}${values.trait.map((name) => ` --trait ${name}`).join('')} --seed ${seed}`,
    );
  }
  if (performance.now() - toldAt > 10_000) {
    toldAt = performance.now();
    console.log(`${passed + failed} worlds, ${received} events received, ${failed} failed`);
  }
}
console.log(`${passed} worlds passed, ${failed} failed, ${received} events received`);
process.exitCode = failed === 0 ? 0 : 1;

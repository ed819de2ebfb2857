/** Builds the demo's page and starts its server; with `--dev`, the server serves the page from its sources. */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { ROOT, runCommand } from './lib/command.ts';

const HELP = `Usage: npx pnpm@12 demo
       npx pnpm@12 dev      the same, rebuilt as you edit

Environment:
  PORT=4600          the port to serve at
  LINEFEED_LOG=URL   the log and the runs: redis://…, postgres://…, nats://… or the path of an SQLite file;
                     without it, a temporary SQLite file
`;

const FOLDER = join(ROOT, 'examples/demo');

const { values } = parseArgs({
  args: process.argv.slice(2).filter((arg) => arg !== '--'),
  options: {
    dev: { type: 'boolean', default: false },
    help: { type: 'boolean', short: 'h', default: false },
  },
});

if (values.help) console.log(HELP);
else if (values.dev || (await build())) start();
else process.exitCode = 1;

async function build(): Promise<boolean> {
  console.log('Building the demo …');
  const { ok, output } = await runCommand('vite', ['build', '--logLevel', 'warn'], {
    cwd: FOLDER,
    timeoutMs: 120_000,
  });
  if (!ok) console.error(`The demo could not be built:\n${output}`);
  return ok;
}

function start(): void {
  const server = spawn(process.execPath, [join(FOLDER, 'server.ts'), ...(values.dev ? ['--dev'] : [])], {
    stdio: 'inherit',
    // In its own process group: a terminal's Ctrl-C then reaches it once, from here, and not a second time directly.
    detached: true,
  });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => server.kill(signal));
  }
  server.on('error', (error) => {
    console.error(`The demo's server could not be started: ${error.message}`);
    process.exitCode = 1;
  });
  server.on('exit', (code) => {
    // Ended by the signal that was passed on: the normal end of a demo.
    process.exit(code ?? 0);
  });
}

/** Starts the control room, and starts it again when it asks to be killed: "restart the server" is a real restart. */
import { fork } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const port = Number(process.env['PORT'] || 4600);
const main = fileURLToPath(new URL('server/main.ts', import.meta.url));

if (!Number.isInteger(port) || port < 1 || port > 65535) {
  console.error(`PORT is "${process.env['PORT']}"; it must be a port number from 1 to 65535.`);
  process.exit(1);
}

/** Log and runs of this visit only, unless LINEFEED_LOG names others: they outlive the killed server, not the demo. */
const logDirectory = mkdtempSync(join(tmpdir(), 'linefeed-demo-'));
process.on('exit', () => rmSync(logDirectory, { recursive: true, force: true }));

let lives = 0;
let current = start();
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => current.kill(signal));

function start() {
  const child = fork(main, process.argv.slice(2), {
    env: {
      ...process.env,
      PORT: String(port),
      LINEFEED_LOG: process.env['LINEFEED_LOG'] || join(logDirectory, 'log.db'),
      // Used where the log's server has no store of runs.
      DEMO_RUNS: join(logDirectory, 'runs.db'),
    },
  });
  let restarting = false;
  child.on('message', (message: 'restart' | { readonly listening: string }) => {
    if (message === 'restart') {
      restarting = true;
      child.kill('SIGKILL');
    } else greet(message.listening);
  });
  child.on('exit', (code) => {
    if (!restarting) process.exit(code ?? 1);
    current = start();
  });
  return child;
}

function greet(log: string): void {
  lives += 1;
  if (lives > 1) {
    console.log(`Killed and started again (life ${lives}).`);
    return;
  }
  console.log(`
  Linefeed control room   http://localhost:${port}

  Without our client:     curl -N localhost:${port}/events/notice
                          curl -N 'localhost:${port}/events/price?symbol=ACME'
                          curl -N 'localhost:${port}/events/report?year=2026'

  Log:                    ${log}

  Ctrl-C ends it.
`);
}

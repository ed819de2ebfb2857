/** Starts the cluster: a log, two feed processes, and nginx in front of them. */
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startBroker, type Broker } from './broker.ts';
import { startNginx } from './nginx.ts';
import { startProcesses, type Processes } from './processes.ts';
import { CannotStart, isListening, type Program } from './program.ts';

const USAGE = `Usage: npx pnpm@12 --filter @linefeed/example-cluster start [LOG]

  sqlite       one SQLite file for both processes (the default)
  redis        a private Redis or Valkey in a temporary folder; likewise postgres and nats
  memory       a separate memory for each process: shows gaps
  redis://…    a server that runs already; likewise postgres://… and nats://…

Environment:
  LINEFEED_LOG=URL     the same as the argument
  PORT=4700            the port of nginx; the processes use the next two
  RESTART_MS=3000      how long a killed process stays away
`;

const wanted = process.argv[2] ?? process.env['LINEFEED_LOG'] ?? 'sqlite';
const port = Number(process.env['PORT'] || 4700);
const restartMs = Number(process.env['RESTART_MS'] || 3_000);

/** Data of this run only. */
const folder = mkdtempSync(join(tmpdir(), 'linefeed-cluster-'));
// Programs that root starts give up its rights, and then need to reach their files.
chmodSync(folder, 0o755);
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));

let broker: Broker | undefined;
let processes: Processes | undefined;
let nginx: Program | undefined;
let isStopping = false;

async function start(): Promise<void> {
  if (wanted === '--help') return console.log(USAGE);
  for (const used of [port, port + 1, port + 2]) {
    if (await isListening(used)) {
      throw new CannotStart(`Port ${used} is taken. Choose another three: PORT=${port + 100}`);
    }
  }
  broker = await startBroker(wanted, folder);
  processes = await startProcesses({ log: broker.url, ports: [port + 1, port + 2], restartMs });
  nginx = await startNginx({ folder, port, upstreams: [port + 1, port + 2] });
  console.log(`http://localhost:${port}`);
  console.log(`The log is ${processes.log}. Ctrl-C ends everything.`);
}

const starting = start();

async function stop(code: number): Promise<void> {
  if (isStopping) return;
  isStopping = true;
  // A program that is starting must not outlive this one.
  await starting.catch(() => undefined);
  // The feeds first: they tell their clients to reconnect, and write nothing after the log is gone.
  await processes?.stop();
  await nginx?.stop();
  await broker?.stop();
  process.exit(code);
}

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => void stop(0));

try {
  await starting;
} catch (error) {
  console.error(error instanceof CannotStart ? error.message : error);
  await stop(1);
}

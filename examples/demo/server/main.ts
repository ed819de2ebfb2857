/** One life of the server: readings, reports, rooms, faults and pages on one port. Forked by `../server.ts`. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { closeOnSignal, toNodeHandler } from '@linefeed/server/node';
import { openLogOrExit } from '@linefeed/example-open-log';
import { createControlRoom, rememberedMs } from './control-room.ts';
import { createFaults } from './faults.ts';
import type { Handler } from './http.ts';
import { createPages } from './pages.ts';
import { createReports } from './reports.ts';
import { createSay } from './say.ts';

const port = Number(process.env['PORT']);
const dev = process.argv.includes('--dev');

const server = createServer();
const { log, title, openRuns, close } = await openLogOrExit('demo.db', {
  name: 'linefeed_demo',
  maxAgeMs: rememberedMs,
});
const runs = await openRuns(process.env['DEMO_RUNS'] || 'demo-runs.db');
const room = await createControlRoom({ log, runs });
const faults = createFaults({ notice: room.notice, restart: () => process.send?.('restart') });
const reports = createReports(room.feed);
const handlers: readonly Handler[] = [faults, reports.handle, createSay(room), toNodeHandler(room.feed)];
const pages = await createPages({ dev, server });

server.on('request', (req: IncomingMessage, res: ServerResponse) => {
  const answer = (index: number): void => {
    const handler = handlers[index];
    if (handler === undefined) pages(req, res);
    else handler(req, res, () => answer(index + 1));
  };
  answer(0);
});

server.on('error', (error: NodeJS.ErrnoException) => {
  console.error(
    error.code === 'EADDRINUSE'
      ? `Port ${port} is taken. Stop what listens there, or choose another: PORT=${port + 1} npx pnpm@12 demo`
      : `The server cannot listen on port ${port}: ${error.message}`,
  );
  process.exit(1);
});

server.listen(port, () => {
  process.send?.({ listening: title });
  room.start();
  reports.start();
});

// Without its parent, nothing would end this process.
process.on('disconnect', () => process.exit(0));

closeOnSignal(server, room.feed, {
  graceMs: 200,
  onSignal() {
    room.stop();
    reports.stop();
  },
  onClosed: () => void close().finally(() => process.exit(0)),
});

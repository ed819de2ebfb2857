/** One run of the server: readings, rooms, faults and pages on one port. Forked by `../server.ts`. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { closeOnSignal, toNodeHandler } from '@linefeed/server/node';
import { openLogOrExit } from '@linefeed/example-open-log';
import { createControlRoom, rememberedMs } from './control-room.ts';
import { createFaults } from './faults.ts';
import { createPages } from './pages.ts';
import { createSay } from './say.ts';

const port = Number(process.env['PORT']);
const dev = process.argv.includes('--dev');

const server = createServer();
const { log, title, close } = await openLogOrExit('demo.db', {
  name: 'linefeed_demo',
  maxAgeMs: rememberedMs,
});
const room = await createControlRoom(log);
const faults = createFaults({ notice: room.notice, restart: () => process.send?.('restart') });
const say = createSay(room);
const events = toNodeHandler(room.feed);
const pages = await createPages({ dev, server });

server.on('request', (req: IncomingMessage, res: ServerResponse) => {
  faults(req, res, () => say(req, res, () => events(req, res, () => pages(req, res))));
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
});

// Without its parent, nothing would end this process.
process.on('disconnect', () => process.exit(0));

closeOnSignal(server, room.feed, {
  graceMs: 200,
  onSignal: () => room.stop(),
  onClosed: () => void close().finally(() => process.exit(0)),
});

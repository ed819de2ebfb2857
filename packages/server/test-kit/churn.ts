/** Opens and closes many event streams in a separate process, and prints the leaked memory and handles as JSON. */
import { once } from 'node:events';
import { createServer, get, type IncomingMessage } from 'node:http';
import { sendEventStream } from '../src/node.ts';

const CYCLES = Number(process.argv[2] ?? 1_000);
const AT_ONCE = 20;

const open = new Set<unknown>();

const server = createServer((req, res) => {
  open.add(res);
  sendEventStream(
    req,
    res,
    async function* ({ signal }) {
      yield 'x'.repeat(1_000);
      await new Promise((_, reject) =>
        signal.addEventListener('abort', () => reject(signal.reason as Error)),
      );
    },
    { pingMs: 15_000, onClose: () => void open.delete(res) },
  );
}).listen(0, '127.0.0.1');
await once(server, 'listening');
const { port } = server.address() as { port: number };

async function openAndLeave(): Promise<void> {
  const [response] = (await once(get({ port, agent: false }), 'response')) as [IncomingMessage];
  response.on('error', () => undefined);
  await once(response, 'data');
  response.destroy();
}

async function settle(): Promise<{ heap: number; handles: number }> {
  while (open.size > 0) await new Promise((resolve) => setTimeout(resolve, 5));
  for (let turn = 0; turn < 3; turn += 1) {
    await new Promise((resolve) => setTimeout(resolve, 20));
    globalThis.gc?.();
  }
  return { heap: process.memoryUsage().heapUsed, handles: process.getActiveResourcesInfo().length };
}

async function cycle(count: number): Promise<{ heap: number; handles: number }> {
  for (let done = 0; done < count; done += AT_ONCE)
    await Promise.all(Array.from({ length: AT_ONCE }, openAndLeave));
  return await settle();
}

// Warm-up: objects created once, and the compilation of hot paths.
const before = await cycle(Math.min(CYCLES, 1_000));
const after = await cycle(CYCLES);
console.log(
  JSON.stringify({
    bytesPerCycle: (after.heap - before.heap) / CYCLES,
    handles: after.handles - before.handles,
  }),
);
server.close();

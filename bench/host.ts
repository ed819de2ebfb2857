/** The server process of a measurement: starts one contender, publishes on the load's ticks, reports its cost. */
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import v8 from 'node:v8';
import { answerCalls, endWithParent } from './lib/calls.ts';
import { makePayload, type ContenderOptions, type StartContender } from './lib/contender.ts';
import type { Endpoint, Memory } from './lib/pair.ts';

const [file = '', json = '{}'] = process.argv.slice(2);
const options = JSON.parse(json) as ContenderOptions;
endWithParent();
const { start } = (await import(join(import.meta.dirname, file))) as { start: StartContender };
const contender = await start(options);
let published = 0;

function publish(count: number): void {
  const payloads = Array.from({ length: count }, (_, index) => makePayload(published + index, options.bytes));
  published += count;
  contender.publish(payloads);
}

// The load sends ticks over a separate socket: a line is a number of events.
const control = createServer((socket) => {
  socket.setNoDelay(true);
  let rest = '';
  socket.setEncoding('latin1').on('data', (text: string) => {
    const lines = (rest + text).split('\n');
    rest = lines.pop()!;
    for (const line of lines) publish(Number(line));
  });
  socket.on('error', () => undefined);
});
await new Promise<void>((resolve) => control.listen(0, '127.0.0.1', resolve));

let delays: ReturnType<typeof monitorEventLoopDelay> | undefined;

answerCalls({
  describe: (): Endpoint => ({
    port: contender.port,
    request: contender.request,
    control: (control.address() as AddressInfo).port,
  }),
  subscribers: () => contender.subscribers(),
  cpu: () => contender.cpu?.() ?? process.cpuUsage(),
  memory: (): Memory => {
    globalThis.gc?.();
    globalThis.gc?.();
    if (contender.rss !== undefined) return { rss: contender.rss() };
    const { rss, heapUsed } = process.memoryUsage();
    const young = v8
      .getHeapSpaceStatistics()
      .filter(({ space_name }) => space_name.startsWith('new_'))
      .reduce((sum, { physical_space_size }) => sum + physical_space_size, 0);
    return { rss, v8: { heapUsed, young } };
  },
  gc: () => globalThis.gc?.(),
  publish: (count: number) => publish(count),
  watchLoop: () => {
    delays = monitorEventLoopDelay({ resolution: 1 });
    delays.enable();
  },
  /** Longest stall of the event loop since `watchLoop`, in milliseconds. */
  longestStall: () => {
    delays!.disable();
    return delays!.max / 1e6;
  },
  action: ({ name, argument }: { name: string; argument: unknown }) =>
    contender.actions![name]!(argument as never),
});

/** Case 19: from publish in one process to a handler of a client of another process. */
import { join } from 'node:path';
import { Remote } from '../lib/calls.ts';
import { runsOf, type Case } from '../lib/case.ts';
import { takeTurns } from '../lib/fan-out.ts';
import { startBrokers } from '../lib/brokers.ts';
import { BROKER_NAMES } from '../lib/logs.ts';
import { endAll, startHost, type Host } from '../lib/host-process.ts';
import { sleep } from '../lib/pair.ts';
import { summarize } from '../lib/stats.ts';

const INTERVAL_MS = 5;
const TIMEOUT_MS = 20_000;

interface Line {
  readonly publisher: Host;
  takeLatencies(): Promise<readonly number[]>;
  end(): Promise<void>;
}

export const logLatency: Case = {
  name: 'log-latency',
  title: 'From publish to a handler of another process, by log',
  about: `Events of 100 B, one every ${INTERVAL_MS} ms. A process publishes; a second process has the feed of the client; a third one is the client, with one handler. With \`memoryLog\` the publishing process has the feed. The bare clients measure the round trip of the server alone: one process appends, another one receives (\`XREAD BLOCK\`, \`LISTEN\` and \`SELECT\`, an ordered consumer). All processes share two cores, so the latencies contain their waits for a core.`,
  columns: ['p50', 'p99'],
  usesPeers: false,
  async run(settings) {
    const variant = 'one event at a time, 100 B';
    const count = settings.quick ? 100 : 300;
    const brokers = await startBrokers(settings);
    try {
      const { measurements, missing } = await takeTurns<Line>(
        {
          variant,
          contenders: brokers.logs.flatMap((log) => [`bare-${log}`, `log-${log}`]),
          shown: 'p99',
          start: async ({ name, file, options }) => {
            const line = await startLine(name, file, {
              bytes: 100,
              places: brokers.places,
              key: 'latency',
              ...options,
            });
            try {
              await measure(line, 50);
              return line;
            } catch (error) {
              await line.end();
              throw error;
            }
          },
          measure: (line) => measure(line, count),
        },
        settings,
      );
      const runs = (name: string, metric: string): readonly number[] =>
        runsOf(measurements, variant, name, metric);
      return {
        measurements,
        missing: [...missing, ...brokers.missing(variant)],
        targets: BROKER_NAMES.map((name) => ({
          text: `p99 from publish to a handler of another process with \`${name}Log\`, against the round trip of the server and that of \`memoryLog\` added`,
          ...(name === 'redis'
            ? { headline: 'p99 latency over Redis, against the bare round trip and `memoryLog` added' }
            : {}),
          runs: runs(`log-${name}`, 'p99').flatMap((value, round) => {
            const [bare, memory] = [runs(`bare-${name}`, 'p99')[round], runs('log-memory', 'p99')[round]];
            return bare === undefined || memory === undefined ? [] : [value / (bare + memory)];
          }),
          limit: 1.5,
          direction: 'at most' as const,
        })),
      };
    } finally {
      await brokers.close();
    }
  },
};

async function startLine(
  name: string,
  file: string,
  options: { readonly bytes: number; readonly [option: string]: unknown },
): Promise<Line> {
  const publisher = await startHost(file, options);
  const hosts: Array<{ readonly remote: Remote }> = [publisher];
  try {
    const server = name === 'log-memory' ? publisher : await startHost(file, options);
    if (server !== publisher) hosts.push(server);
    if (name.startsWith('bare-')) {
      await server.action('follow');
      return {
        publisher,
        takeLatencies: () => server.action('takeLatencies'),
        end: () => endAll(hosts),
      };
    }
    const client = new Remote(join(import.meta.dirname, '../latency-client.ts'), []);
    hosts.push({ remote: client });
    await client.call('follow', { port: server.endpoint.port });
    const deadline = performance.now() + TIMEOUT_MS;
    while ((await server.remote.call<number>('subscribers')) === 0) {
      if (performance.now() > deadline) throw new Error('The client is not connected.');
      await sleep(20);
    }
    return { publisher, takeLatencies: () => client.call('takeLatencies'), end: () => endAll(hosts) };
  } catch (error) {
    await endAll(hosts);
    throw error;
  }
}

async function measure(line: Line, count: number): Promise<Record<string, number>> {
  await line.takeLatencies();
  await line.publisher.action('publishStamped', { count, intervalMs: INTERVAL_MS });
  const latencies: number[] = [];
  const deadline = performance.now() + TIMEOUT_MS;
  while (latencies.length < count) {
    if (performance.now() > deadline) throw new Error(`${latencies.length} of ${count} events have arrived.`);
    latencies.push(...(await line.takeLatencies()));
    if (latencies.length < count) await sleep(20);
  }
  const { p50, p99 } = summarize(latencies);
  return { p50, p99 };
}

/** The bare client of a server: what a log over that server is compared with. */
import { createServer } from 'node:http';
import { openBareLog, type BrokerName } from '../../packages/server/test-kit/brokers/bare-log.ts';
import { makePayload, type Contender, type ContenderOptions } from '../lib/contender.ts';
import { listen } from '../lib/listen.ts';
import { sharedNow, type Places } from '../lib/logs.ts';

export async function start({ bytes, ...options }: ContenderOptions): Promise<Contender> {
  const broker = options['broker'] as BrokerName;
  const { urls } = options['places'] as Places;
  const bare = await openBareLog(broker, urls[broker]!, 'bench');
  const latencies: number[] = [];
  return {
    port: await listen(createServer()),
    request: { method: 'GET', path: '/' },
    subscribers: () => 0,
    publish: () => undefined,
    actions: {
      /** Appends batches, each when the server has the one before. */
      async publishBatches({ batches, count }: { batches: number; count: number }) {
        const start = performance.now();
        for (let batch = 0; batch < batches; batch += 1) {
          await bare.append(
            Array.from({ length: count }, (_, k) => JSON.stringify(makePayload(batch * count + k, bytes))),
          );
        }
        return { count: batches * count, ms: performance.now() - start };
      },
      async follow() {
        await bare.follow((payload) => {
          const { at } = JSON.parse(payload) as { at?: number };
          if (at !== undefined) latencies.push(sharedNow() - at);
        });
      },
      async publishStamped({ count, intervalMs }: { count: number; intervalMs: number }) {
        const start = performance.now();
        for (let n = 0; n < count; n += 1) {
          const left = start + n * intervalMs - performance.now();
          if (left > 0) await new Promise((resolve) => setTimeout(resolve, left));
          void bare.append([JSON.stringify({ ...makePayload(n, bytes), at: sharedNow() })]);
        }
      },
      takeLatencies: () => latencies.splice(0),
    },
  };
}

/** Growth: the ratio to a bare loop of the same size, from small to large. */
import { ratios, runsOf, type Case, type Measurement, type Target } from '../lib/case.ts';
import { measureFanOut } from '../lib/fan-out.ts';
import { median } from '../lib/stats.ts';
import { addressPaths } from './addresses.ts';

const CONNECTIONS = [100, 1_000, 10_000];
const ADDRESSES = [10, 100, 1_000, 10_000];
/** Connections of each address. */
const RECEIVERS = 20;
const PUBLISHED = 5;

export const growth: Case = {
  name: 'growth',
  title: 'Growth: connections and addresses',
  about:
    'The first two contenders of the broadcast, and those of many addresses (20 connections at each), at several sizes: the ratio to the bare loop of the same size should not change.',
  columns: ['cpu', 'system', 'rate'],
  usesPeers: false,
  async run(settings) {
    const measurements: Measurement[] = [];
    const byConnections: number[][] = [];
    const byAddresses: number[][] = [];
    for (const connections of CONNECTIONS) {
      const variant = `${connections.toLocaleString('en')} connections, one address`;
      const measured = await measureFanOut(
        { variant, connections, bytes: 100, contenders: ['linefeed', 'floor'] },
        settings,
      );
      measurements.push(...measured.measurements);
      const cpu = (name: string): readonly number[] => runsOf(measurements, variant, name, 'cpu');
      byConnections.push(ratios(cpu('linefeed'), cpu('floor')));
    }
    for (const addresses of ADDRESSES) {
      const connections = Math.min(1_000, addresses * RECEIVERS);
      const each = (addresses * RECEIVERS) / connections;
      const variant = `${addresses.toLocaleString('en')} addresses, ${each} on each of ${connections.toLocaleString('en')} connections`;
      const measured = await measureFanOut(
        {
          variant,
          connections,
          bytes: 100,
          contenders: ['linefeed-addresses', 'floor-addresses'],
          count: PUBLISHED,
          marksPerTick: PUBLISHED * RECEIVERS,
          options: { addresses },
          connect: (name) => ({ requests: addressPaths(name, connections, addresses, each) }),
        },
        settings,
      );
      measurements.push(...measured.measurements);
      const cpu = (name: string): readonly number[] => runsOf(measurements, variant, name, 'cpu');
      byAddresses.push(ratios(cpu('linefeed-addresses'), cpu('floor-addresses')));
    }
    return {
      measurements,
      targets: [
        growthTarget('ratio to the bare loop at 10,000 connections against that at 100', byConnections),
        growthTarget('ratio to the map of sockets at 10,000 addresses against that at 10', byAddresses),
      ],
    };
  },
};

/** Of medians: the sizes are not measured in one turn. */
function growthTarget(text: string, sizes: ReadonlyArray<readonly number[]>): Target {
  const first = sizes[0]!;
  const last = sizes.at(-1)!;
  return {
    text,
    runs: last.length === 0 ? [] : last.map((ratio) => ratio / median(first)),
    limit: 1.1,
    direction: 'at most',
  };
}

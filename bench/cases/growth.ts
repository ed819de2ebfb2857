/** Growth: the ratio to a bare loop of the same size, and the memory of a connection, from small to large. */
import {
  many,
  ratios,
  runsOf,
  type Case,
  type Measurement,
  type Missing,
  type Settings,
  type Target,
} from '../lib/case.ts';
import { measureFanOut, takeTurns, type FanOut } from '../lib/fan-out.ts';
import { SMALL_YOUNG, weighConnections } from '../lib/memory.ts';
import { median } from '../lib/stats.ts';
import { addressPaths, quietPath } from './addresses.ts';

const CONNECTIONS = [100, 1_000, 10_000];
const ADDRESSES = [10, 100, 1_000, 10_000];
/**
 * The same for all numbers of addresses: a connection has at most 256 subscriptions, and 10,000 addresses are 200 for
 * each.
 */
const SUBSCRIBERS = 1_000;
/** Connections at each address. */
const RECEIVERS = 20;
const PUBLISHED = 5;
const WEIGHED = [1_000, 2_500, 5_000, 10_000];

export const growth: Case = {
  name: 'growth',
  title: 'Growth: connections and addresses',
  about: `Linefeed and the floor of the broadcast, at several numbers of connections; those of many addresses at several numbers of addresses, always with ${many(SUBSCRIBERS)} connections and ${RECEIVERS} of them at each address (where the addresses are too few for all, the others have one at which nothing is published). The ratio to the bare loop of the same size should not change. Memory: RSS of each connection beyond the first ${many(WEIGHED[0]!)}, in one process that grows, its young generation held at its least.`,
  columns: ['cpu', 'system', 'rate', 'rss'],
  usesPeers: false,
  async run(settings) {
    const measurements: Measurement[] = [];
    const missing: Missing[] = [];
    const compare = async (fanOut: FanOut): Promise<number[]> => {
      const measured = await measureFanOut(fanOut, settings);
      measurements.push(...measured.measurements);
      missing.push(...measured.missing);
      const [own = '', floor = ''] = fanOut.contenders;
      const cpu = (name: string): readonly number[] => runsOf(measurements, fanOut.variant, name, 'cpu');
      return ratios(cpu(own), cpu(floor));
    };
    const byConnections: Size[] = [];
    for (const connections of CONNECTIONS) {
      const name = `${many(connections)} connections`;
      const runs = await compare({
        variant: `${name}, one address`,
        connections,
        bytes: 100,
        contenders: ['linefeed', 'floor'],
      });
      byConnections.push({ name, runs });
    }
    const byAddresses: Size[] = [];
    for (const addresses of ADDRESSES) {
      const name = `${many(addresses)} addresses`;
      const runs = await compare({
        variant: `${name}, ${many(SUBSCRIBERS)} connections`,
        connections: SUBSCRIBERS,
        bytes: 100,
        contenders: ['linefeed-addresses', 'floor-addresses'],
        count: PUBLISHED,
        marksPerTick: PUBLISHED * RECEIVERS,
        options: { addresses },
        connect: (contender) => ({ requests: pathsFor(contender, addresses) }),
      });
      byAddresses.push({ name, runs });
    }
    const weighed = await weigh(settings, measurements, missing);
    return {
      measurements,
      missing,
      targets: [
        ...compareSizes('ratio to the bare loop', byConnections),
        ...compareSizes('ratio to the map of bare sockets', byAddresses),
        ...compareSizes('RSS per connection', weighed),
      ],
    };
  },
};

interface Size {
  readonly name: string;
  readonly runs: readonly number[];
}

function pathsFor(contender: string, addresses: number): string[] {
  const each = Math.max(1, (addresses * RECEIVERS) / SUBSCRIBERS);
  const used = (addresses * RECEIVERS) / each;
  const quiet = Array.from({ length: SUBSCRIBERS - used }, () => quietPath(contender));
  return [...addressPaths(contender, used, addresses, each), ...quiet];
}

async function weigh(settings: Settings, measurements: Measurement[], missing: Missing[]): Promise<Size[]> {
  const sizes = WEIGHED.slice(1);
  const variant = `memory up to ${many(WEIGHED.at(-1)!)} connections`;
  const measured = await takeTurns(
    {
      variant,
      contenders: ['linefeed'],
      shown: String(WEIGHED.at(-1)),
      start: (entry) => Promise.resolve({ entry, end: () => Promise.resolve() }),
      measure: async ({ entry }) => {
        const weights = await weighConnections(entry, WEIGHED, SMALL_YOUNG);
        return Object.fromEntries(sizes.map((size, index) => [String(size), weights[index]!.rss]));
      },
    },
    settings,
  );
  missing.push(...measured.missing);
  return sizes.map((size) => {
    const name = `${many(size)} connections`;
    const runs = runsOf(measured.measurements, variant, 'linefeed', String(size));
    if (runs.length > 0)
      measurements.push({ variant: `${name}, idle`, contender: 'linefeed', metrics: { rss: runs } });
    return { name, runs };
  });
}

/** Each size against the first. Uses medians: the sizes are not measured in one turn. */
function compareSizes(what: string, [first, ...others]: readonly Size[]): Target[] {
  return others.map(({ name, runs }) => ({
    text: `${what} at ${name} against that at ${first!.name}`,
    runs: first!.runs.length === 0 ? [] : runs.map((value) => value / median(first!.runs)),
    limit: 0.1,
    direction: 'within',
  }));
}

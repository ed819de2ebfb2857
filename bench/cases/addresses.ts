/** Case 5: many addresses, of which each connection has some. */
import { ratios, runsOf, type Case } from '../lib/case.ts';
import { measureFanOut } from '../lib/fan-out.ts';

const EACH = 20;
const PUBLISHED = 5;

/** The paths of all connections: neighbours of one block, so that every address has as many of them. */
export function addressPaths(
  contender: string,
  connections: number,
  addresses: number,
  each: number,
): string[] {
  const base = contender.startsWith('linefeed') ? '/events' : '/';
  return Array.from({ length: connections }, (_, connection) => {
    const query = Array.from({ length: each }, (_unused, k) => {
      const id = (connection * each + k) % addresses;
      return `topic=${encodeURIComponent(`room?id=${id}`)}`;
    });
    return `${base}?${query.join('&')}`;
  });
}

export const addresses: Case = {
  name: 'addresses',
  title: 'Many addresses: 20 of 2,000 for each connection',
  about:
    'Each tick publishes 5 events to 5 addresses; each address has 10 of the 1,000 connections. The floor is a map of bare sockets that writes the same bytes to the same ones.',
  columns: ['cpu', 'system', 'rate'],
  usesPeers: false,
  async run(settings) {
    const { connections = 1_000, bytes = 100 } = settings;
    const count = 2_000;
    const variant = `${connections.toLocaleString('en')} connections, ${EACH} of ${count.toLocaleString('en')} addresses each`;
    const { measurements, missing } = await measureFanOut(
      {
        variant,
        connections,
        bytes,
        contenders: ['linefeed-addresses', 'floor-addresses'],
        count: PUBLISHED,
        marksPerTick: (PUBLISHED * connections * EACH) / count,
        options: { addresses: count },
        connect: (name) => ({ requests: addressPaths(name, connections, count, EACH) }),
      },
      settings,
    );
    const cpu = (name: string): readonly number[] => runsOf(measurements, variant, name, 'cpu');
    return {
      measurements,
      missing,
      targets: [
        {
          text: 'CPU per event against a loop that writes the same bytes to the same sockets',
          runs: ratios(cpu('linefeed-addresses'), cpu('floor-addresses')),
          limit: 1.5,
          direction: 'at most',
        },
      ],
    };
  },
};

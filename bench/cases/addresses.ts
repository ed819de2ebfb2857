/** Case 5: many addresses; each connection subscribes to some of them. */
import { many, ratios, runsOf, type Case } from '../lib/case.ts';
import { measureFanOut } from '../lib/fan-out.ts';

const EACH = 20;
const PUBLISHED = 5;
const ADDRESSES = 2_000;

/** The paths of all connections: adjacent addresses, so that every address has the same number of connections. */
export function addressPaths(
  contender: string,
  connections: number,
  addresses: number,
  each: number,
): string[] {
  return Array.from({ length: connections }, (_, connection) =>
    pathOf(
      contender,
      Array.from({ length: each }, (_unused, k) => String((connection * each + k) % addresses)),
    ),
  );
}

/** The path of a connection with an address to which nothing is published. */
export function quietPath(contender: string): string {
  return pathOf(contender, ['quiet']);
}

function pathOf(contender: string, ids: readonly string[]): string {
  const query = ids.map((id) => `topic=${encodeURIComponent(`room?id=${id}`)}`);
  return `${contender.startsWith('linefeed') ? '/events' : '/'}?${query.join('&')}`;
}

export const addresses: Case = {
  name: 'addresses',
  title: 'Many addresses',
  about: `Each connection has ${EACH} of all addresses, and each tick publishes ${PUBLISHED} events to ${PUBLISHED} of them. The floor is a map of bare sockets that writes the same bytes to the same ones.`,
  columns: ['cpu', 'system', 'rate'],
  usesPeers: false,
  async run(settings) {
    const { connections = 1_000, bytes = 100 } = settings;
    const variant = `${many(connections)} connections, ${EACH} of ${many(ADDRESSES)} addresses each`;
    const { measurements, missing } = await measureFanOut(
      {
        variant,
        connections,
        bytes,
        contenders: ['linefeed-addresses', 'floor-addresses'],
        count: PUBLISHED,
        marksPerTick: (PUBLISHED * connections * EACH) / ADDRESSES,
        options: { addresses: ADDRESSES },
        connect: (name) => ({ requests: addressPaths(name, connections, ADDRESSES, EACH) }),
      },
      settings,
    );
    const cpu = (name: string): readonly number[] => runsOf(measurements, variant, name, 'cpu');
    return {
      title: `Many addresses: ${EACH} of ${many(ADDRESSES)} for each connection`,
      measurements,
      missing,
      targets: [
        {
          text: 'CPU per event against a loop that writes the same bytes to the same sockets',
          headline:
            'CPU of an event where each connection has 20 of 2,000 addresses, against a map of bare sockets',
          runs: ratios(cpu('linefeed-addresses'), cpu('floor-addresses')),
          limit: 1.5,
          direction: 'at most',
        },
      ],
    };
  },
};

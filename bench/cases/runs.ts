/** Runs: the cost of a delivered event against that of a stream, and the cost of a late reader. */
import { many, ratios, runsOf, type Case, type Target } from '../lib/case.ts';
import { measureFanOut } from '../lib/fan-out.ts';
import { measureFlood } from '../lib/flood.ts';

const READERS = 2;
const GROUPS = 50;

export const runs: Case = {
  name: 'runs',
  title: 'Runs: one source for several readers',
  about: `Each run has ${READERS} readers. Its source is an async generator that yields one event in each tick. The sources yield in ${GROUPS} groups, one group in each turn of the event loop. The streams have the same sources, one for each reader, and record nothing.`,
  columns: ['cpu', 'system', 'rate'],
  usesPeers: false,
  async run(settings) {
    const { connections = 2_000, bytes = 100 } = settings;
    const count = Math.ceil(connections / READERS);
    const variant = `${many(count)} runs, ${READERS} readers each, ${many(bytes)} B`;
    const { measurements, missing } = await measureFanOut(
      {
        variant,
        connections,
        bytes,
        contenders: ['streams-of-runs', 'runs-memory', 'runs-sqlite'],
        count: GROUPS,
        marksPerTick: connections,
        options: { runs: count, groups: GROUPS },
        connect: (name) => ({
          requests: Array.from(
            { length: count },
            (_, n) => `/events/${name === 'streams-of-runs' ? 'alone' : 'answer'}?n=${n}`,
          ),
        }),
      },
      settings,
    );
    const cpu = (name: string): readonly number[] => runsOf(measurements, variant, name, 'cpu');
    const target = (store: string, limit: number): Target => ({
      text: `CPU of a delivered event with \`${store}Runs\` against a stream: ${variant}`,
      headline: `CPU of a delivered event of ${many(count)} runs with \`${store}Runs\`, against streams`,
      runs: ratios(cpu(`runs-${store}`), cpu('streams-of-runs')),
      limit,
      direction: 'at most',
    });
    return {
      title: `Runs: ${many(count)} at once, ${READERS} readers each`,
      measurements,
      missing,
      targets: [target('memory', 1.3), target('sqlite', 2)],
    };
  },
};

export const runJoin: Case = {
  name: 'run-join',
  title: 'A late reader of a run',
  about:
    'One reader joins a run that has recorded events, and reads them from the start. Connecting included. The floors write the same bytes: made before, and page by page as they go.',
  columns: ['cpu', 'system', 'rate'],
  usesPeers: false,
  async run(settings) {
    const { bytes = 100 } = settings;
    const events = 10_000;
    const variant = `${many(events)} events, ${many(bytes)} B`;
    const { measurements, missing } = await measureFlood(
      {
        variant,
        contenders: ['floor-history', 'floor-encoding', 'runs-memory', 'runs-sqlite'],
        clients: 1,
        events,
        options: { bytes, events, runs: 1, groups: 1, recorded: events },
      },
      settings,
    );
    const cpu = (name: string): readonly number[] => runsOf(measurements, variant, name, 'cpu');
    return {
      measurements,
      missing,
      targets: ['memory', 'sqlite'].map((store) => ({
        text: `CPU of a late reader with \`${store}Runs\` against a bare loop that encodes each page: ${variant}`,
        headline: `CPU of a reader that joins a run of ${many(events)} events with \`${store}Runs\`, against writing those bytes`,
        runs: ratios(cpu(`runs-${store}`), cpu('floor-encoding')),
        floor: ratios(cpu('floor-history'), cpu('floor-encoding')),
        limit: 1.5,
        direction: 'at most' as const,
      })),
    };
  },
};

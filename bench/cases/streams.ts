/** Case 9: a source that runs for each client. */
import { many, ratios, runsOf, type Case, type Target } from '../lib/case.ts';
import { measureFanOut } from '../lib/fan-out.ts';
import { measureFlood } from '../lib/flood.ts';

const EVENTS = 100;
const CONTENDERS = ['linefeed-streams', 'floor-streams', 'trpc'];

export const streams: Case = {
  name: 'streams',
  title: 'Streams: a source for each client',
  about:
    'Each client opens a stream of its own: an async generator that yields events with ids. First one event per tick, at the signal of an emitter; then 100 as fast as the client reads them, with the time to connect. Linefeed validates each event against its contract; the tRPC procedure has no output schema. The floor is a bare server with the same generators: it joins the values of one turn into one write.',
  columns: ['cpu', 'system', 'rate'],
  plot: 'cpu',
  usesPeers: true,
  async run(settings) {
    const { connections = 1_000, bytes = 100 } = settings;
    const paced = `${many(connections)} streams, one event per tick, ${many(bytes)} B`;
    const flooding = `${many(connections)} streams of ${EVENTS} events, ${many(bytes)} B`;
    const ticking = await measureFanOut(
      { variant: paced, connections, bytes, contenders: CONTENDERS },
      settings,
    );
    const flooded = await measureFlood(
      {
        variant: flooding,
        contenders: CONTENDERS,
        clients: connections,
        events: EVENTS,
        options: { bytes, streamEvents: EVENTS },
      },
      settings,
    );
    const measurements = [...ticking.measurements, ...flooded.measurements];
    const target = (variant: string, headline: string): Target => {
      const cpu = (name: string): readonly number[] => runsOf(measurements, variant, name, 'cpu');
      return {
        text: `CPU per event against tRPC: ${variant}`,
        headline,
        runs: ratios(cpu('linefeed-streams'), cpu('trpc')),
        floor: ratios(cpu('floor-streams'), cpu('trpc')),
        limit: 1 / 5,
        direction: 'at most',
      };
    };
    return {
      title: `Streams: ${many(connections)} sources at once`,
      measurements,
      missing: [...ticking.missing, ...flooded.missing],
      targets: [
        target(paced, `CPU of an event of ${many(connections)} streams, one at a time, against tRPC`),
        target(flooding, 'the same where sources yield as fast as they can'),
      ],
    };
  },
};

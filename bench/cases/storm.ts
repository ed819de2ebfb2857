/** Cases 6 and 7: clients that reconnect for missed events. */
import { many, ratios, runsOf, type Case } from '../lib/case.ts';
import { measureFlood } from '../lib/flood.ts';

const MISSED = 100;

export const storm: Case = {
  name: 'storm',
  title: 'A storm: clients that reconnect at once',
  about: `Each resumes ${MISSED} events. The floor is a server that writes the head and the same bytes, made before. The second bare server does for each client the work that every feed must do if it checks a cursor and keeps no encoded copy of its log: it reads the cursor, writes a hello frame, and encodes the page. The longest stall is the longest time in which the event loop of the server did nothing else.`,
  columns: ['connectCpu', 'rate', 'stall'],
  usesPeers: false,
  async run(settings) {
    const clients = settings.connections ?? (settings.quick ? 2_000 : 5_000);
    const variant = `${many(clients)} clients, ${MISSED} events each`;
    const { measurements, missing } = await measureFlood(
      {
        variant,
        contenders: ['linefeed-history', 'floor-history', 'floor-answering'],
        clients,
        events: MISSED,
        options: { bytes: settings.bytes ?? 100, events: MISSED },
      },
      settings,
    );
    const runs = (name: string, metric: string): readonly number[] =>
      runsOf(measurements, variant, name, metric);
    const cpu = (name: string): readonly number[] => runs(name, 'connectCpu');
    return {
      title: `A storm: ${many(clients)} clients reconnect at once`,
      measurements,
      missing,
      targets: [
        {
          text: `CPU per resumed connection against a bare connect and the bytes: ${variant}`,
          headline: `CPU of a client that resumes ${MISSED} events, against a bare connect and the bytes`,
          runs: ratios(cpu('linefeed-history'), cpu('floor-history')),
          floor: ratios(cpu('floor-answering'), cpu('floor-history')),
          limit: 2,
          direction: 'at most',
        },
        {
          text: `longest stall of the event loop: ${variant}`,
          headline: `longest stall of the event loop when ${many(clients)} reconnect at once`,
          runs: runs('linefeed-history', 'stall'),
          floor: runs('floor-history', 'stall'),
          limit: 50,
          direction: 'at most',
          unit: 'ms',
        },
      ],
    };
  },
};

export const replay: Case = {
  name: 'replay',
  title: 'A long replay to one client',
  about:
    'Read page by page from the log in memory. The floor writes the same bytes, made before; the other bare loop makes them as it goes, as Linefeed does, which keeps no encoded copy of its log. Connecting included.',
  columns: ['cpu', 'system', 'rate'],
  usesPeers: false,
  async run(settings) {
    const { bytes = 100 } = settings;
    const events = settings.quick ? 20_000 : 100_000;
    const variant = `${many(events)} events, ${many(bytes)} B`;
    const { measurements, missing } = await measureFlood(
      {
        variant,
        contenders: ['linefeed-history', 'floor-history', 'floor-encoding'],
        clients: 1,
        events,
        options: { bytes, events },
      },
      settings,
    );
    const rate = (name: string): readonly number[] => runsOf(measurements, variant, name, 'rate');
    return {
      title: `A long replay: ${many(events)} events to one client`,
      measurements,
      missing,
      targets: [
        {
          text: `events per second against writing the same bytes: ${variant}`,
          headline: `events per second of a replay of ${many(events)}, against writing bytes made before`,
          runs: ratios(rate('linefeed-history'), rate('floor-history')),
          floor: ratios(rate('floor-encoding'), rate('floor-history')),
          limit: 0.8,
          direction: 'at least',
        },
        {
          text: `events per second against a bare loop that encodes each page: ${variant}`,
          headline: 'the same, against a bare loop that makes them as it goes',
          runs: ratios(rate('linefeed-history'), rate('floor-encoding')),
          limit: 0.8,
          direction: 'at least',
        },
      ],
    };
  },
};

/** Case 10: the same feed in a framework that passes Request and takes Response. */
import { many, ratios, runsOf, type Case } from '../lib/case.ts';
import { measureFanOut } from '../lib/fan-out.ts';

export const hono: Case = {
  name: 'hono',
  title: 'The feed inside Hono',
  about: "`feed.handle(request)` in a Hono app on Hono's own Node server, beside its `streamSSE` there.",
  columns: ['cpu', 'system', 'rate'],
  plot: 'cpu',
  usesPeers: true,
  async run(settings) {
    const { connections = 1_000, bytes = 100 } = settings;
    const variant = `${many(connections)} connections, ${many(bytes)} B`;
    const { measurements, missing } = await measureFanOut(
      { variant, connections, bytes, contenders: ['linefeed', 'linefeed-hono', 'hono'] },
      settings,
    );
    const cpu = (name: string): readonly number[] => runsOf(measurements, variant, name, 'cpu');
    return {
      measurements,
      missing,
      targets: [
        {
          text: "CPU per event in Hono against Hono's `streamSSE`",
          runs: ratios(cpu('linefeed-hono'), cpu('hono')),
          headline: "CPU of an event inside Hono, against Hono's `streamSSE`",
          limit: 1 / 2,
          direction: 'at most',
        },
      ],
    };
  },
};

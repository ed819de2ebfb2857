/** Linefeed on Bun. */
import { feed } from './feed.ts';
import { handle } from './fetch.ts';
import { announce, port, stop } from './life.ts';

// The parts of Bun that are used here; a project on Bun has its types.
declare const Bun: {
  serve(options: { port: number; idleTimeout: number; fetch: typeof handle }): { port: number; stop(): void };
};

// Bun closes a connection after 10 s of silence; a feed's ping comes after 15.
const server = Bun.serve({ port, idleTimeout: 0, fetch: handle });

announce(server.port);
process.once('SIGTERM', () => {
  stop();
  void feed.close().then(() => server.stop());
});

/** What every server here does beside answering: says where it is, publishes, ends when it is told to. */
import { feed } from './feed.ts';

/** Where to listen; 0 for any free port. */
export const port = Number(process.env['PORT'] ?? 3000);

/** `close` ends the server once its connections are gone. */
export function announce(listeningPort: number, close: () => void): void {
  console.log(
    `http://localhost:${listeningPort}/countdown and http://localhost:${listeningPort}/events/notice`,
  );
  const timer = setInterval(() => {
    void feed.publish('notice', { text: `It is ${new Date().toISOString()}.` });
  }, 250);
  process.once('SIGTERM', () => {
    clearInterval(timer);
    // Asks the clients to come back, to this server's successor.
    void feed.close().then(close);
  });
}

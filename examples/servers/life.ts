/** Common to every server here: it prints its URL, publishes, and ends on a signal. */
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
    // Tells the clients to reconnect, to this server's successor.
    void feed.close().then(close);
  });
}

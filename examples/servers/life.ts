/** Common to every server here: it prints its URL, and publishes until it ends. */
import { feed } from './feed.ts';

/** Where to listen; 0 for any free port. */
export const port = Number(process.env['PORT'] ?? 3000);

let timer: NodeJS.Timeout | undefined;

export function announce(listeningPort: number): void {
  console.log(
    `http://localhost:${listeningPort}/countdown and http://localhost:${listeningPort}/events/notice`,
  );
  timer = setInterval(() => {
    void feed.publish('notice', { text: `It is ${new Date().toISOString()}.` });
  }, 250);
}

/** Stops what would keep the process alive. */
export function stop(): void {
  clearInterval(timer);
}

/** A server without a proxy is replaced by another one on its port. */
import { startServer, type ServerProcess } from './kit/server-process.ts';
import { expect, numbers, recorded, startRecording, test, TRANSPORTS } from './kit/test.ts';

const ways: ReadonlyArray<readonly [title: string, end: (server: ServerProcess) => Promise<void>]> = [
  ['a server that ended on SIGTERM', (server) => server.terminate('SIGTERM')],
  ['a server that closed and still runs', (server) => server.close()],
];

for (const transport of TRANSPORTS) {
  for (const [title, end] of ways) {
    test(`a page moves from ${title} to the next server on its port, over ${transport}`, async ({
      page,
      bundle,
    }) => {
      const server = await startServer({ bundle });
      const { port } = server;
      let requests = 0;
      page.on('request', (request) => {
        if (request.url().includes('/events')) requests += 1;
      });
      let answers = 0;
      page.on('response', (response) => {
        if (response.url().includes('/events')) answers += 1;
      });
      await startRecording(page, `http://127.0.0.1:${port}`, { transport });
      const before = { answers, requests };
      await end(server);
      // The page now tries to reconnect.
      await expect.poll(() => requests).toBeGreaterThan(before.requests + 3);
      // A closing server may answer a request that it got before it stopped listening.
      expect(answers - before.answers).toBeLessThanOrEqual(2);
      const next = await startServer({ bundle, port, run: 'second' });
      await next.publish(1, 3);
      await expect
        .poll(async () => (await recorded(page)).notice.filter((seen) => 'n' in seen))
        .toEqual(numbers(1, 3, 'second'));
      await server.kill();
      await next.kill();
    });
  }
}

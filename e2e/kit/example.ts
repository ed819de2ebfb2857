/** The server of an example, in a process of its own. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { resolve } from 'node:path';

export interface ExampleServer {
  readonly origin: string;
  /** Kills it: its memory is lost, its log too. */
  stop(): Promise<void>;
}

/** `folder` has the built pages. Port 0: any free one. */
export async function startExample(
  name: string,
  folder: string,
  port: string = '0',
  env: Readonly<Record<string, string>> = {},
): Promise<ExampleServer> {
  const server = spawn(process.execPath, ['server.ts'], {
    cwd: resolve('examples', name),
    env: { ...process.env, ...env, PORT: port, PAGES: folder },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [line] = (await once(server.stdout.setEncoding('utf8'), 'data')) as [string];
  return {
    origin: line.trim(),
    async stop() {
      const gone = once(server, 'exit');
      server.kill('SIGKILL');
      await gone;
    },
  };
}

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { createServer as createNetServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findProgram } from '../../../scripts/lib/find-program.ts';
import { NGINX } from '../../../scripts/lib/programs.ts';
import type { App } from './app.ts';
import { askForGzip, type Ask } from './client.ts';
import { describeServer, originOf, type Served } from './suite.ts';

/** Every directive that affects a stream at its default, and compression on. */
function configure(folder: string, port: number, origin: string): string {
  return `
daemon off;
worker_processes 1;
pid ${folder}/nginx.pid;
error_log ${folder}/error.log;
events {}
http {
  access_log off;
  gzip on;
  gzip_types text/event-stream;
  gzip_proxied any;
  ${['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((name) => `${name}_temp_path ${folder}/${name};`).join(' ')}
  server {
    listen 127.0.0.1:${port};
    location / { proxy_pass ${origin}; }
  }
}`;
}

async function freePort(): Promise<number> {
  const server = createNetServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, 'close');
  return port;
}

async function answers(ask: Ask): Promise<void> {
  for (const until = performance.now() + 5_000; performance.now() < until;) {
    const reading = await ask('/count', { method: 'HEAD' }).catch(() => undefined);
    await reading?.next();
    if (reading?.status === 200) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error('nginx does not answer.');
}

async function serve(app: App): Promise<Served> {
  const server = createServer((req, res) => app.node(req, res)).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const folder = mkdtempSync(join(tmpdir(), 'linefeed-nginx-'));
  const port = await freePort();
  writeFileSync(join(folder, 'nginx.conf'), configure(folder, port, originOf(server)));
  const nginx = spawn(
    findProgram(NGINX),
    ['-p', folder, '-c', join(folder, 'nginx.conf'), '-e', join(folder, 'error.log')],
    {
      stdio: 'ignore',
    },
  );
  const origin = `http://127.0.0.1:${port}`;
  const ask = askForGzip(origin);
  await answers(ask);
  return {
    origin,
    ask,
    async close() {
      nginx.kill();
      await once(nginx, 'exit');
      server.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

describeServer('node:http with nginx in front', serve);

/** A real nginx in front of several servers, with the settings of a deployment. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findProgram } from '../../scripts/lib/find-program.ts';
import { NGINX } from '../../scripts/lib/programs.ts';
import { withParent } from '../../packages/server/test-kit/brokers/server-process.ts';
import { nginxTempPaths } from '../../scripts/lib/nginx.ts';
import { freePort } from './free-port.ts';

export interface Nginx {
  readonly origin: string;
  close(): Promise<void>;
}

export async function startNginx(upstreamPorts: readonly number[]): Promise<Nginx> {
  const directory = await mkdtemp(join(tmpdir(), 'linefeed-nginx-'));
  const port = await freePort();
  const config = `
daemon off;
# One process: it ends with the test process, even if that is killed.
master_process off;
pid ${directory}/nginx.pid;
error_log ${directory}/error.log warn;
events {}
http {
  access_log off;
  ${nginxTempPaths(directory)}
  upstream servers {
${upstreamPorts.map((upstream) => `    server 127.0.0.1:${upstream} max_fails=0;`).join('\n')}
  }
  server {
    listen 127.0.0.1:${port};
    gzip on;
    gzip_types text/event-stream;
    location / {
      proxy_pass http://servers;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host $http_host;
      # A server that is down is passed over, also for a POST: control requests may be repeated.
      proxy_next_upstream error timeout non_idempotent;
      proxy_connect_timeout 1s;
    }
  }
}
`;
  await writeFile(join(directory, 'nginx.conf'), config);
  const [program, ...args] = withParent(findProgram(NGINX), [
    '-p',
    directory,
    '-c',
    join(directory, 'nginx.conf'),
  ]);
  const nginx = spawn(program!, args, { stdio: 'inherit' });
  await listening(port);
  return {
    origin: `http://127.0.0.1:${port}`,
    async close() {
      const gone = once(nginx, 'exit');
      nginx.kill('SIGTERM');
      await gone;
      await rm(directory, { recursive: true, force: true });
    },
  };
}

async function listening(port: number): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    const socket = connect(port, '127.0.0.1');
    try {
      await once(socket, 'connect');
      return;
    } catch (error) {
      if (attempt === 100) throw error;
      await new Promise((resolve) => setTimeout(resolve, 50));
    } finally {
      socket.destroy();
    }
  }
}

/** nchan: nginx's module, one worker, an event stream over its own buffer of messages. */
import { spawn } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { request as httpRequest } from 'node:http';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import type { Contender } from '../lib/contender.ts';
import { makeFolder } from '../lib/folder.ts';
import { nginxTempPaths } from '../../scripts/lib/nginx.ts';
import { cpuOf, listen, rssOf } from '../lib/listen.ts';
import { findNchan } from '../lib/nchan.ts';

export async function start(): Promise<Contender> {
  const { nginx, module } = findNchan()!;
  const folder = makeFolder('linefeed-nchan-');
  const probe = createServer();
  const port = await listen(probe);
  await new Promise((resolve) => probe.close(resolve));
  writeFileSync(
    join(folder, 'nginx.conf'),
    `load_module ${module};
daemon off;
worker_processes 1;
worker_rlimit_nofile 20000;
pid ${folder}/pid;
error_log ${folder}/error.log crit;
events { worker_connections 16384; }
http {
  access_log off;
  ${nginxTempPaths(folder)}
  # The publisher's connection rests while the others have their turns.
  keepalive_timeout 1h;
  client_header_timeout 1h;
  keepalive_requests 1000000;
  server {
    listen 127.0.0.1:${port} backlog=4096;
    location = /sub { nchan_subscriber eventsource; nchan_channel_id news; nchan_subscriber_first_message newest; }
    location = /pub { nchan_publisher http; nchan_channel_id news; nchan_message_buffer_length 100; }
    location = /status { nchan_stub_status; }
  }
}
`,
  );
  const child = spawn(
    nginx,
    ['-p', folder, '-c', join(folder, 'nginx.conf'), '-e', join(folder, 'error.log')],
    {
      stdio: 'ignore',
    },
  );
  // Before its folder is deleted; its worker ends with it.
  process.prependListener('exit', () => child.kill('SIGTERM'));
  const workers = (): number[] => {
    const path = `/proc/${child.pid}/task/${child.pid}/children`;
    return existsSync(path) ? readFileSync(path, 'utf8').trim().split(' ').filter(Boolean).map(Number) : [];
  };
  const ready = (): Promise<boolean> =>
    new Promise((resolve) => {
      const socket = connect(port, '127.0.0.1', () => {
        socket.destroy();
        resolve(true);
      });
      socket.on('error', () => resolve(false));
    });
  for (let tries = 0; tries < 200 && !(await ready()); tries += 1) {
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  const publisher = connect({ port, host: '127.0.0.1', noDelay: true });
  publisher.resume();
  return {
    port,
    request: { method: 'GET', path: '/sub' },
    subscribers: async () => {
      const text = await get(port, '/status');
      return Number(/subscribers: (\d+)/.exec(text)?.[1] ?? 0);
    },
    publish: (payloads) => {
      const requests = payloads.map((payload) => {
        const json = JSON.stringify(payload);
        return `POST /pub HTTP/1.1\r\nhost: localhost\r\nx-eventsource-event: news\r\ncontent-length: ${json.length}\r\n\r\n${json}`;
      });
      publisher.write(requests.join(''));
    },
    cpu: () => cpuOf(workers()[0]!),
    rss: () => rssOf(workers()[0]!),
  };
}

function get(port: number, path: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const req = httpRequest({ port, host: '127.0.0.1', path, agent: false }, (res) => {
      let text = '';
      res.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
      res.on('end', () => resolve(text));
    });
    req.on('error', reject).end();
  });
}

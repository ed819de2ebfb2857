/** nginx in front of the feed processes, with the settings that a feed needs. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { CannotStart, findProgram, startProgram, type Program } from './program.ts';

export interface NginxOptions {
  /** For its configuration and its temporary files. */
  readonly folder: string;
  readonly port: number;
  readonly upstreams: readonly number[];
}

/** @throws CannotStart */
export async function startNginx({ folder, port, upstreams }: NginxOptions): Promise<Program> {
  const path = process.env['LINEFEED_NGINX'] ?? findProgram(['nginx']);
  if (path === undefined) {
    throw new CannotStart(
      'nginx is not installed here. Install it (on Debian: apt-get install nginx-light; on macOS: brew install ' +
        'nginx), or set LINEFEED_NGINX to its path.',
    );
  }
  const config = join(folder, 'nginx.conf');
  writeFileSync(config, toConfig(folder, port, upstreams));
  return await startProgram(path, ['-p', folder, '-c', config], { title: 'nginx', port });
}

function toConfig(folder: string, port: number, upstreams: readonly number[]): string {
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];
  return `
daemon off;
pid ${folder}/nginx.pid;
error_log stderr warn;
events {}
http {
  access_log off;
  ${temporary.map((kind) => `${kind}_temp_path ${folder}/${kind};`).join('\n  ')}

  upstream feeds {
    # max_fails=0: a process that is starting again is asked at once, and not after 10 s.
${upstreams.map((upstream) => `    server 127.0.0.1:${upstream} max_fails=0;`).join('\n')}
  }

  server {
    listen 127.0.0.1:${port};

    location / {
      proxy_pass http://feeds;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      # The feed compares it with the Origin of the page.
      proxy_set_header Host $http_host;
      # A process that is down is passed over, also for a POST: control requests may be repeated.
      proxy_next_upstream error timeout non_idempotent;
      proxy_connect_timeout 1s;
    }
  }
}
`;
}

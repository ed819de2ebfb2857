/** Looks for nginx and its module nchan. */
import { existsSync } from 'node:fs';

const NGINX = ['/usr/sbin/nginx', '/usr/local/sbin/nginx', '/usr/bin/nginx'];
const MODULES = [
  '/usr/lib/nginx/modules/ngx_nchan_module.so',
  '/usr/share/nginx/modules/ngx_nchan_module.so',
  '/usr/lib64/nginx/modules/ngx_nchan_module.so',
];

export function findNchan(): { readonly nginx: string; readonly module: string } | undefined {
  const given = process.env['LINEFEED_NGINX'];
  const nginx = [...(given === undefined ? [] : [given]), ...NGINX].find((path) => existsSync(path));
  const module = MODULES.find((path) => existsSync(path));
  return nginx === undefined || module === undefined ? undefined : { nginx, module };
}

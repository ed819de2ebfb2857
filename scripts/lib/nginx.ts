/** Parts of an nginx configuration that several servers for tests have. */

/** Keeps temporary files in a folder of the test: nginx's own one may belong to another user. */
export function nginxTempPaths(folder: string): string {
  const kinds = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];
  return kinds.map((kind) => `${kind}_temp_path ${folder}/${kind};`).join(' ');
}

/** The check of the option `path` of a SQLite file. */
import { resolve } from 'node:path';
import { LinefeedError } from '@linefeed/shared/wire';

/** Returns the absolute path. @throws LinefeedError `invalid_option` */
export function checkPath(owner: string, path: string, advice: string): string {
  if (typeof path === 'string' && path !== '' && !path.startsWith(':') && !path.startsWith('file:')) {
    return resolve(path);
  }
  throw new LinefeedError(
    'invalid_option',
    `path of a ${owner} must be the path of a file, not ${JSON.stringify(path)}; ${advice}.`,
  );
}

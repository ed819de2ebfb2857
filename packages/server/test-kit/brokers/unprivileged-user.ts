/** The user as whom servers run that refuse to run as root. */
import { spawnSync } from 'node:child_process';

export interface User {
  readonly uid: number;
  readonly gid: number;
}

/** Common numbers of `nobody`. */
const NOBODY: User = { uid: 65_534, gid: 65_534 };

/** Returns undefined unless this process is root. */
export function unprivilegedUser(): User | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const id = (flag: string): number | undefined => {
    const { status, stdout } = spawnSync('id', [flag, 'postgres'], { encoding: 'utf8' });
    return status === 0 ? Number(stdout) : undefined;
  };
  const [uid, gid] = [id('-u'), id('-g')];
  return uid === undefined || gid === undefined ? NOBODY : { uid, gid };
}

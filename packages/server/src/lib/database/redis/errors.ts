/** Converts errors of Redis and of its clients to errors that name their user and a remedy. */
import { LinefeedError } from '@linefeed/shared/wire';
import type { DatabaseUse } from '../use.ts';

/** Whether the server answered with this error. Any other error is a lost connection or an elapsed time. */
export function isReply(error: unknown): error is Error {
  return error instanceof Error && codeOf(error) !== undefined;
}

/** An error of the server starts with a word in capitals: `WRONGTYPE Operation against …`. */
function codeOf(error: Error): string | undefined {
  return /^[A-Z][A-Z0-9]+(?= |$)/.exec(error.message)?.[0];
}

/** Whether this connection will not help, although the server answers on it: it is not the master any more. */
export function isWrongServer(error: Error): boolean {
  return ['READONLY', 'UNBLOCKED', 'MASTERDOWN', 'CLUSTERDOWN', 'MOVED', 'ASK'].includes(codeOf(error)!);
}

export function isMissingScript(error: unknown): boolean {
  return isReply(error) && codeOf(error) === 'NOSCRIPT';
}

interface Meaning {
  /** With `{noun}` for the user. */
  readonly remedy: string;
  readonly retryable: boolean;
}

const MEANINGS: Readonly<Record<string, Meaning>> = {
  WRONGTYPE: {
    remedy: 'a key of the {noun} holds another type; choose another `key`, or delete what is there',
    retryable: false,
  },
  LINEFEEDFOREIGN: {
    remedy:
      'the key of the {noun} holds a hash that is not a {noun}; choose another `key`, or delete what is there',
    retryable: false,
  },
  LINEFEEDFORMAT: {
    remedy:
      'the {noun} was written by another version of Linefeed; run one version, or choose another `key` for the new one',
    retryable: false,
  },
  LINEFEEDSTALE: {
    remedy: 'a later batch of this process was appended before it; nothing was appended',
    retryable: false,
  },
  OOM: {
    remedy:
      'the server has reached `maxmemory`; raise it, or lower the bounds of the {noun}. Nothing was written',
    retryable: false,
  },
  MISCONF: {
    remedy: 'the server cannot save to its disk; free some space there. Nothing was written',
    retryable: false,
  },
  NOAUTH: { remedy: 'give the client a user name and a password', retryable: false },
  WRONGPASS: { remedy: 'give the client the right user name and password', retryable: false },
  NOPERM: {
    remedy:
      'the user of the client needs the keys of the {noun}, the commands EVALSHA, EVAL and XREAD, and those of the scripts',
    retryable: false,
  },
  NOREPLICAS: {
    remedy: 'fewer replicas than `min-replicas-to-write` are connected. Nothing was written',
    retryable: true,
  },
  READONLY: { remedy: 'the client is connected to a replica', retryable: true },
  LOADING: { remedy: 'the server is starting', retryable: true },
  BUSY: { remedy: 'a script of another program blocks the server', retryable: true },
  CROSSSLOT: { remedy: 'put a hash tag into the `key`, as in `{board}`', retryable: false },
};

function meaningOf(code: string, message: string): Meaning {
  // Its code is `ERR`, as that of errors that remain.
  if (message.includes('max number of clients')) {
    return {
      remedy: 'close connections that are not used, or raise `maxclients` of the server',
      retryable: true,
    };
  }
  return MEANINGS[code] ?? { remedy: 'look at the server', retryable: code !== 'ERR' };
}

export interface FailedCall {
  /** The log or store, at the start of the message. */
  readonly name: string;
  /** What failed, as in `cannot be read`. */
  readonly doing: string;
  readonly use: DatabaseUse;
}

/** Other values than an error of the server are returned as they are. */
export function toRedisError(error: unknown, { name, doing, use }: FailedCall): unknown {
  if (LinefeedError.is(error) || !(error instanceof Error)) return error;
  if (/invalid bulk length|unauthenticated bulk length/.test(error.message)) {
    return new LinefeedError(
      'payload_too_large',
      `${name} cannot be ${doing}: the server takes no values of this size; write less at once, or raise its \`proto-max-bulk-len\`.`,
      { cause: error, status: 413 },
    );
  }
  const code = codeOf(error);
  if (code === undefined) return error;
  const { remedy, retryable } = meaningOf(code, error.message);
  // The server adds the place in the script.
  const problem = error.message
    .replace(/\.? script: [0-9a-f]{40}, on @user_script:\d+\.$/, '')
    .replace(/\.$/, '');
  const advice = remedy.replaceAll('{noun}', use.noun);
  const message = `${name} cannot be ${doing}: ${problem}; ${advice}.`;
  return new LinefeedError(use.code, message, { cause: error, retryable });
}

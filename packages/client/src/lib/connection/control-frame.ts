/** Parses and checks the bodies of control frames (PROTOCOL §4). */
import { parseCursor, PROTOCOL_VERSION, type RunStart } from '@linefeed/shared/wire';

const REQUIRED: Readonly<Record<string, string>> = {
  hello: 'protocol connection pingMs timeoutMs',
  subscribed: 'address event',
  caughtup: 'address',
  gap: 'address to reason',
  error: 'address code message retryable',
  run: 'address run attempt startedAt',
  end: 'address',
  reconnect: 'afterMs reason',
};
/** The body of a control frame. The name of the frame decides its members. */
// oxlint-disable-next-line no-explicit-any -- a union would need a cast in each case of a switch over the names
export type ControlBody = any;

/** The members that a body may lack. */
const OPTIONAL = ['n', 'key', 'cursor', 'tail', 'run'];

/** A member has the same type in every body. */
function fits(field: string, value: unknown): boolean {
  if (/Ms$|At$|^n$|^(attempt|protocol)/.test(field))
    return typeof value === 'number' && value >= 0 && value < Infinity;
  if (field === 'retryable') return typeof value === 'boolean';
  // In `subscribed`, where the delivery of a run starts.
  if (typeof value === 'object' && value && field === 'run') {
    const { cursor, tail = cursor } = value as RunStart;
    return fits('cursor', cursor) && fits('tail', tail);
  }
  return typeof value === 'string' && (!/^cursor|^t/.test(field) || parseCursor(value) !== undefined);
}

/**
 * Parses a body. Checks the members that the client uses, but not in a `hello` of a newer protocol, nor in frames with
 * unknown names. Throws if one is wrong.
 */
export function readControl(name: string, data: string): ControlBody {
  const body = JSON.parse(data) as Record<string, unknown>;
  const required = REQUIRED[name]?.split(' ');
  if (!required || (name === 'hello' && (body['protocol'] as number) > PROTOCOL_VERSION)) return body;
  for (const field of [...OPTIONAL, ...required]) {
    const value = body[field];
    if (!fits(field, value) && (value !== undefined || required.includes(field)))
      throw new TypeError(`${field} is ${JSON.stringify(value)}`);
  }
  return body;
}

/** Parses and checks the bodies of control frames (PROTOCOL §4). */
import { parseCursor, PROTOCOL_VERSION } from '@linefeed/shared/wire';

const REQUIRED: Readonly<Record<string, string>> = {
  hello: 'protocol connection pingMs timeoutMs',
  subscribed: 'address event',
  caughtup: 'address',
  gap: 'address to reason',
  error: 'address code message retryable',
  end: 'address',
  reconnect: 'afterMs reason',
};

// A field has the same type in every frame. Fields that the client does not use are not listed.
const FIELDS =
  'protocol pingMs timeoutMs afterMs n retryable cursor to tail connection address event key code message reason';

function fits(field: string, value: unknown): boolean {
  if (/Ms$|^n$|^protocol/.test(field)) return typeof value === 'number' && value >= 0 && value < Infinity;
  if (field === 'retryable') return typeof value === 'boolean';
  return typeof value === 'string' && (!/^cursor|^to/.test(field) || parseCursor(value) !== undefined);
}

/**
 * Parses a body. A `hello` of a newer protocol and frames with unknown names are not checked. Throws if a field is
 * wrong.
 */
// oxlint-disable-next-line no-explicit-any -- the name of the frame decides its type
export function readControl(name: string, data: string): any {
  const body = JSON.parse(data) as Record<string, unknown>;
  const required = REQUIRED[name];
  if (!required || (name === 'hello' && (body['protocol'] as number) > PROTOCOL_VERSION)) return body;
  for (const field of FIELDS.split(' ')) {
    const value = body[field];
    if (value === undefined ? required.split(' ').includes(field) : !fits(field, value))
      throw new TypeError(`${field} is ${JSON.stringify(value)}`);
  }
  return body;
}

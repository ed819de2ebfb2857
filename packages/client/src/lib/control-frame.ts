/** The bodies of control frames, checked before anything is done with them: PROTOCOL §4. */
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

// A name means the same in every frame. What is not here is nothing that the client does something with.
const FIELDS =
  'protocol pingMs timeoutMs afterMs n retryable cursor to tail connection address event key code message reason';

function fits(field: string, value: unknown): boolean {
  if (/Ms$|^n$|^protocol/.test(field)) return typeof value === 'number' && value >= 0 && value < Infinity;
  if (field === 'retryable') return typeof value === 'boolean';
  return typeof value === 'string' && (!/^cursor|^to/.test(field) || parseCursor(value) !== undefined);
}

/** Reads a body. A server of another protocol may say hello as it likes; frames with other names, too. Throws. */
// oxlint-disable-next-line no-explicit-any -- what the frame is says what it carries
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

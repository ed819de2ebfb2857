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

const isString = (value: unknown) => typeof value === 'string';
const isNumber = (value: unknown) => typeof value === 'number' && value >= 0 && value < Infinity;
const isCursor = (value: unknown) => isString(value) && parseCursor(value as string) !== undefined;

// A name means the same in every frame. What is not here is nothing that the client does something with.
const FIELDS: Readonly<Record<string, (value: unknown) => boolean>> = {
  protocol: isNumber,
  pingMs: isNumber,
  timeoutMs: isNumber,
  afterMs: isNumber,
  n: isNumber,
  connection: isString,
  address: isString,
  event: isString,
  key: isString,
  code: isString,
  message: isString,
  reason: isString,
  tail: isString,
  cursor: isCursor,
  to: isCursor,
  retryable: (value) => typeof value === 'boolean',
};

/** Reads a body. A server of another protocol may say hello as it likes; frames with other names, too. Throws. */
// oxlint-disable-next-line no-explicit-any -- what the frame is says what it carries
export function readControl(name: string, data: string): any {
  const body = JSON.parse(data) as Record<string, unknown>;
  const required = REQUIRED[name]?.split(' ');
  if (!required || (name === 'hello' && isNumber(body['protocol']) && body['protocol'] !== PROTOCOL_VERSION))
    return body;
  for (const [field, fits] of Object.entries(FIELDS)) {
    const value = body[field];
    if (value === undefined ? required.includes(field) : !fits(value))
      throw new TypeError(`${field} is ${String(value)}`);
  }
  return body;
}

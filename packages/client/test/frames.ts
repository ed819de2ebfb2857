/** The text that a feed writes, for tests. */
import { encodeFrame, FRAME, type Hello, type Subscribed } from '@linefeed/shared/wire';

export const HELLO: Hello = {
  protocol: 1,
  connection: 'connection-1',
  pingMs: 15_000,
  timeoutMs: 35_000,
  maxDurationMs: 0,
};

export function frame(event: string, payload: unknown, id?: string): string {
  return encodeFrame({ event, data: JSON.stringify(payload), id });
}

export function hello(id?: string, change: Partial<Hello> = {}): string {
  return frame(FRAME.hello, { ...HELLO, ...change }, id);
}

/** The answer to a logged entry that starts after `position` of the epoch `e`. */
export function subscribed(address: string, position: number, change: Partial<Subscribed> = {}): string {
  return frame(FRAME.subscribed, {
    address,
    event: address,
    cursor: `e.${position}`,
    tail: `e.${position}`,
    ...change,
  });
}

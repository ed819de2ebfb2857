/** The page's part of the tab tests: a shared client that counts. */
import { createSharedClient } from '@linefeed/client/share';
import type { Board } from '../../kit/board.ts';

/** Received numbers of one tab, and its errors. */
export interface TabReport {
  readonly seen: readonly number[];
  readonly trouble: readonly string[];
}

const seen: number[] = [];
const trouble: string[] = [];

/** Subscribes; resolves when the subscription is accepted. */
export async function share(): Promise<void> {
  const client = createSharedClient<Board>({
    url: '/events',
    onGap: ({ reason }) => trouble.push(`gap: ${reason}`),
    onError: ({ code, message }) => trouble.push(`${code}: ${message}`),
  });
  await client.subscribe('notice', ({ n }) => seen.push(n)).ready;
}

export function shared(): TabReport {
  return { seen, trouble };
}

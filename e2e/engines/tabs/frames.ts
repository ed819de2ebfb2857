/** The page's part of the proof of tabs: frames of one storage partition, each with a shared client that counts. */
import { createSharedClient } from '@linefeed/client/share';
import type { Board } from '../../kit/board.ts';

/** Numbers that one tab has seen, and what went wrong. */
export interface TabReport {
  readonly seen: readonly number[];
  readonly trouble: readonly string[];
}

type TabWindow = Window & {
  readonly linefeed: { readonly share: typeof share; readonly shared: typeof shared };
};

const seen: number[] = [];
const trouble: string[] = [];
const frames: HTMLIFrameElement[] = [];

/** In a frame: subscribes; resolves when that is accepted. */
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

const windowOf = (frame: HTMLIFrameElement) => frame.contentWindow as unknown as TabWindow;

/** Opens one more tab. */
export async function openTab(): Promise<number> {
  const frame = document.createElement('iframe');
  frame.src = '/';
  const loaded = new Promise((resolve) => frame.addEventListener('load', resolve));
  document.body.append(frame);
  await loaded;
  await windowOf(frame).linefeed.share();
  return frames.push(frame);
}

/** Ends the tab that was opened first, which leads. */
export function killLeader(): number {
  frames.shift()?.remove();
  return frames.length;
}

export function reportTabs(): TabReport[] {
  return frames.map((frame) => windowOf(frame).linefeed.shared());
}

/** Hints from the page the client lives in. Where there is no page there are none. */

/** Something happened that makes acting now better than waiting. */
export type PageHint = 'online' | 'offline' | 'visible' | 'hidden' | 'pageshow' | 'pagehide' | 'resume';

/** Whether nobody sees the page; what is no page is never hidden. */
export function isHidden(): boolean {
  return globalThis.document?.visibilityState === 'hidden';
}

/** Listens until the returned function is called. */
export function watchPage(onHint: (hint: PageHint) => void): () => void {
  const controller = new AbortController();
  const { document } = globalThis as Partial<typeof globalThis>;
  const listener = ({ type }: { readonly type: string }) =>
    onHint((type === 'visibilitychange' ? document?.visibilityState : type) as PageHint);
  for (const type of ['online', 'offline', 'pageshow', 'pagehide', 'visibilitychange', 'resume']) {
    // Page Lifecycle fires `resume` at the document and lets it not bubble.
    const target: Partial<EventTarget> | undefined = type === 'resume' ? document : globalThis;
    target?.addEventListener?.(type, listener, { signal: controller.signal });
  }
  return () => controller.abort();
}

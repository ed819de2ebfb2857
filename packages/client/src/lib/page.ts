/** Hints from the page the client lives in. Where there is no page there are none. */

/** Something happened that makes acting now better than waiting. */
export type PageHint = 'online' | 'offline' | 'visible' | 'hidden' | 'pageshow' | 'pagehide' | 'resume';

// Page Lifecycle fires `resume` at the document alone, and it does not bubble.
const PAGE_EVENTS = ['online', 'offline', 'pageshow', 'pagehide', 'visibilitychange'];

/** Whether nobody sees the page; what is no page is never hidden. */
export function isHidden(): boolean {
  return globalThis.document?.visibilityState === 'hidden';
}

/** Listens until the returned function is called. */
export function watchPage(onHint: (hint: PageHint) => void): () => void {
  const { document } = globalThis as Partial<typeof globalThis>;
  const listener = ({ type }: { readonly type: string }) =>
    onHint((type === 'visibilitychange' ? document?.visibilityState : type) as PageHint);
  return listen(globalThis, PAGE_EVENTS, listener, listen(document, ['resume'], listener));
}

/**
 * Listens until the returned function is called, which then calls `after`. Not by a signal: jsdom refuses the one of
 * another realm.
 */
export function listen(
  target: Partial<EventTarget> | undefined,
  types: readonly string[],
  listener: (event: Event) => void,
  after?: () => void,
): () => void {
  for (const type of types) target?.addEventListener?.(type, listener);
  return () => {
    for (const type of types) target?.removeEventListener?.(type, listener);
    after?.();
  };
}

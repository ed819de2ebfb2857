/** Lifecycle hints from the page that the client runs in. Outside a page there are none. */

/** A page event after which the client can act immediately instead of waiting. */
export type PageHint = 'online' | 'offline' | 'visible' | 'hidden' | 'pageshow' | 'pagehide' | 'resume';

// `resume` is dispatched only at the document (Page Lifecycle), and it does not bubble.
const PAGE_EVENTS = ['online', 'offline', 'pageshow', 'pagehide', 'visibilitychange'];

/** Whether the page is hidden. Always false outside a page. */
export function isHidden(): boolean {
  return globalThis.document?.visibilityState === 'hidden';
}

/** Calls `onHint` until the returned function is called. */
export function watchPage(onHint: (hint: PageHint) => void): () => void {
  const { document } = globalThis as Partial<typeof globalThis>;
  const listener = ({ type }: { readonly type: string }) =>
    onHint((type === 'visibilitychange' ? document?.visibilityState : type) as PageHint);
  return listen(globalThis, PAGE_EVENTS, listener, listen(document, ['resume'], listener));
}

/**
 * Adds listeners. The returned function removes them and then calls `after`. It does not use `signal`: jsdom rejects an
 * AbortSignal of another realm.
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

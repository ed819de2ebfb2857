/** A page for mounted components: reads its text, and completes all work that needs no timer. */
import { act, StrictMode, createElement, type ReactNode } from 'react';
import { createRoot, hydrateRoot, type Root } from 'react-dom/client';

declare global {
  var IS_REACT_ACT_ENVIRONMENT: boolean;
}

export interface Page extends AsyncDisposable {
  readonly text: () => string;
  readonly show: (node: ReactNode) => Promise<void>;
}

export interface PageOptions {
  readonly strict?: boolean;
  /** The HTML rendered by the server. */
  readonly html?: string;
}

export async function mount(node: ReactNode, { strict = false, html }: PageOptions = {}): Promise<Page> {
  globalThis.IS_REACT_ACT_ENVIRONMENT = true;
  const place = document.createElement('div');
  const wrap = (inner: ReactNode) => (strict ? createElement(StrictMode, undefined, inner) : inner);
  let root: Root | undefined;
  if (html !== undefined) place.innerHTML = html;
  await act(async () => {
    if (html !== undefined) root = hydrateRoot(place, wrap(node));
    else (root = createRoot(place)).render(wrap(node));
  });
  return {
    text: () => place.textContent ?? '',
    show: async (next) => await act(async () => root?.render(wrap(next))),
    [Symbol.asyncDispose]: async () => await act(async () => root?.unmount()),
  };
}

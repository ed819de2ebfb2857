/** Stubs a window and a document that only dispatch events, until `vi.unstubAllGlobals()`. */
import { vi } from 'vitest';

export interface StubPage {
  readonly fire: (type: string) => void;
  readonly show: (visibility: DocumentVisibilityState) => void;
}

export function stubPage(visibility: DocumentVisibilityState = 'visible'): StubPage {
  const page = new EventTarget();
  const document = Object.assign(new EventTarget(), { visibilityState: visibility });
  vi.stubGlobal('addEventListener', page.addEventListener.bind(page));
  vi.stubGlobal('removeEventListener', page.removeEventListener.bind(page));
  vi.stubGlobal('document', document);
  return {
    fire: (type) => void (type === 'resume' ? document : page).dispatchEvent(new Event(type)),
    show(next) {
      document.visibilityState = next;
      page.dispatchEvent(new Event('visibilitychange'));
    },
  };
}

/** Mounts `useChat` in a document without a browser, under StrictMode. */
import { useChat, type UseChatOptions } from '@ai-sdk/react';
import type { UIMessage } from 'ai';
import { Window } from 'happy-dom';
import { StrictMode } from 'react';
import { flushSync } from 'react-dom';
import { createRoot } from 'react-dom/client';
import { onTestFinished, vi } from 'vitest';
import type { Page } from './kit.ts';

type Helpers = ReturnType<typeof useChat>;

export interface Mounted {
  /** The result of the hook at the last render. */
  readonly chat: Helpers;
  /** Role and text of each message, such as `user: Hi`. */
  readonly lines: () => string[];
  readonly finishes: Array<{ isAbort: boolean; isDisconnect: boolean; isError: boolean }>;
  readonly errors: Error[];
  readonly unmount: () => void;
}

type Options = Partial<Extract<UseChatOptions<UIMessage>, { transport?: unknown }>>;

export function mountChat({ transport }: Pick<Page, 'transport'>, options: Options = {}): Mounted {
  const window = new Window();
  vi.stubGlobal('window', window);
  vi.stubGlobal('document', window.document);
  const root = createRoot(window.document.createElement('div') as unknown as Element);
  let chat!: Helpers;
  const finishes: Mounted['finishes'] = [];
  const errors: Error[] = [];
  function Chat() {
    chat = useChat({
      id: 'c1',
      transport,
      resume: true,
      onFinish: ({ isAbort, isDisconnect, isError }) => finishes.push({ isAbort, isDisconnect, isError }),
      onError: (error) => errors.push(error),
      ...options,
    });
    return null;
  }
  flushSync(() => {
    root.render(
      <StrictMode>
        <Chat />
      </StrictMode>,
    );
  });
  onTestFinished(() => root.unmount());
  return {
    get chat() {
      return chat;
    },
    lines: () =>
      chat.messages.map(
        ({ role, parts }) =>
          `${role}: ${parts.map((part) => (part.type === 'text' ? part.text : '')).join('')}`,
      ),
    finishes,
    errors,
    unmount: () => root.unmount(),
  };
}

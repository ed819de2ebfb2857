/** One chat: its messages, a field, and a button that stops the answer in all tabs. */
import { useChat } from '@ai-sdk/react';
import type { UIMessage } from 'ai';
import { useEffect, useRef } from 'react';
import { client, loadMessages, transport } from './live.ts';

interface Props {
  readonly id: string;
  readonly messages: UIMessage[];
}

export function Chat({ id, messages: saved }: Props) {
  const chat = useChat({ id, messages: saved, transport, resume: true });
  const { messages, status, error } = chat;
  const isBusy = status === 'submitted' || status === 'streaming';
  useAnswersOfOtherTabs(id, isBusy, chat);

  function submit(form: FormData) {
    // React clears the form when its action returns, so the action does not wait for the answer.
    void chat.sendMessage({ text: form.get('text') as string });
  }

  return (
    <>
      <header>
        <h1>Ask the lighthouse</h1>
        <p className={`status is-${status}`} role="status">
          {words[status]}
        </p>
      </header>
      <Messages messages={messages} />
      {error && <p role="alert">{error.message}</p>}
      <form action={submit}>
        <input
          name="text"
          aria-label="Your question"
          placeholder="Ask anything"
          required
          autoComplete="off"
        />
        {isBusy ? (
          <button key="stop" type="button" onClick={() => void transport.stop(id, { reason: 'user' })}>
            Stop
          </button>
        ) : (
          <button key="ask" type="submit">
            Ask
          </button>
        )}
      </form>
    </>
  );
}

const words = {
  submitted: 'Asked…',
  streaming: 'Answering…',
  ready: 'Ready',
  error: 'Interrupted',
};

/** A chat that waits does not know of a question in another tab. The first chunk of its answer is the sign. */
function useAnswersOfOtherTabs(
  id: string,
  isBusy: boolean,
  { setMessages, resumeStream }: Pick<ReturnType<typeof useChat>, 'setMessages' | 'resumeStream'>,
): void {
  useEffect(() => {
    if (isBusy) return;
    let isIdle = true;
    const leave = client.subscribe('answer', { chat: id }, async () => {
      leave();
      const messages = await loadMessages(id);
      // The resume of the page itself may have found the run meanwhile.
      if (!isIdle) return;
      setMessages(messages);
      await resumeStream();
    });
    return () => {
      isIdle = false;
      leave();
    };
  }, [id, isBusy, setMessages, resumeStream]);
}

function Messages({ messages }: { readonly messages: readonly UIMessage[] }) {
  const end = useRef<HTMLLIElement>(null);
  useEffect(() => {
    // If the promise were returned, React would take it for a clean-up function.
    end.current?.scrollIntoView({ block: 'end' });
  }, [messages]);
  return (
    <ol role="log" aria-label="Messages" tabIndex={0}>
      {messages.length === 0 && <li className="quiet">Ask something, then reload while the answer comes.</li>}
      {messages.map(({ id, role, parts }) => (
        <li key={id} className={role}>
          {parts.map((part) => (part.type === 'text' ? part.text : '')).join('')}
        </li>
      ))}
      <li ref={end} aria-hidden="true" />
    </ol>
  );
}

/** The request that starts a run: what the chat sends, and the default way to send it. */
import { LinefeedError } from '@linefeed/shared';
import type { ChatTransport, UIMessage } from 'ai';

type SendOptions<M extends UIMessage> = Parameters<ChatTransport<M>['sendMessages']>[0];

/** The message of a chat, and a key. */
export interface StartRequest<M extends UIMessage = UIMessage> extends SendOptions<M> {
  /** Unique for this message. As the `key` of `feed.start`, it starts one run even if the request arrives twice. */
  readonly key: string;
}

/** The answer to the request that starts a run. */
export interface StartedRun {
  /** The id of the run, from `feed.start`. */
  readonly run: string;
}

/** Sends the messages to the server, which starts a run. */
export type StartFunction<M extends UIMessage = UIMessage> = (
  request: StartRequest<M>,
) => Promise<StartedRun>;

/**
 * Posts the messages as JSON: the body of the AI SDK, and `key`. The answer is JSON with the `run`. It does not abort
 * when the reader leaves: the message must be answered.
 */
export function startByPost(url: string | URL): StartFunction {
  return async ({ chatId: id, messages, trigger, messageId, key, headers, body }) => {
    const sent = new Headers(headers);
    sent.set('content-type', 'application/json');
    const response = await fetch(url, {
      method: 'POST',
      headers: sent,
      body: JSON.stringify({ ...body, id, messages, trigger, messageId, key }),
    });
    const text = await response.text();
    const { status } = response;
    // The chat shows this message.
    if (!response.ok) {
      const message = text || `The request to start a run was answered with ${status}.`;
      throw new LinefeedError('http_status', message, { status, body: text });
    }
    return readStarted(text);
  };
}

function readStarted(text: string): StartedRun {
  let answer: Partial<StartedRun> | null | undefined;
  try {
    answer = JSON.parse(text) as typeof answer;
  } catch {}
  if (typeof answer?.run === 'string') return { run: answer.run };
  throw new LinefeedError('protocol', 'The answer to the request that starts a run has no run.', {
    body: text.slice(0, 200),
  });
}

/** The live end of the page: one connection for all tabs, and the transport of its chats. */
import { createSharedClient } from '@linefeed/client/share';
import { runTransport } from '@linefeed/client/ai';
import type { UIMessage } from 'ai';
import type { chats } from '../channel.ts';

export const client = createSharedClient<typeof chats>({ url: '/events' });

/** The ids of the whole messages that this page has loaded. */
const loaded = new Set<string>();

export const transport = runTransport(client, 'answer', {
  params: (chat) => ({ chat }),
  start: '/api/chat',
  hasMessage: (id) => loaded.has(id),
});

/** The saved messages of a chat. */
export async function loadMessages(chat: string): Promise<UIMessage[]> {
  const response = await fetch(`/api/chat/${chat}`);
  const messages = (await response.json()) as UIMessage[];
  for (const { id } of messages) loaded.add(id);
  return messages;
}

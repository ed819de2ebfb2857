/** Mounts the page. The chat is part of its address, so that a second tab can open it. */
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { Chat } from './Chat.tsx';
import { loadMessages } from './live.ts';
import './style.css';

location.hash ||= crypto.randomUUID().slice(0, 8);
addEventListener('hashchange', () => location.reload());
const chat = location.hash.slice(1);
const messages = await loadMessages(chat);

createRoot(document.querySelector('#app')!).render(
  <StrictMode>
    <Chat id={chat} messages={messages} />
  </StrictMode>,
);

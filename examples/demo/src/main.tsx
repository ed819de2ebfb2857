/** Puts the control room on the page. */
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { App } from './App.tsx';
import './styles/tokens.css';
import './styles/base.css';
import './styles/layout.css';
import './styles/recorder.css';
import './styles/connection.css';
import './styles/account.css';
import './styles/faults.css';
import './styles/rooms.css';
import './styles/quotes.css';
import './styles/report.css';
import './styles/notices.css';

const root = document.querySelector('#root');
if (root === null) throw new Error('The page has no #root.');
createRoot(root).render(
  <StrictMode>
    <App />
  </StrictMode>,
);

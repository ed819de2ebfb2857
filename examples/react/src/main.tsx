/** Mounts the page. */
import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { App } from './App.tsx';
import { client, Provider } from './live.ts';
import './style.css';

createRoot(document.querySelector('#app')!).render(
  <StrictMode>
    <QueryClientProvider client={new QueryClient()}>
      <Provider client={client}>
        <App />
      </Provider>
    </QueryClientProvider>
  </StrictMode>,
);

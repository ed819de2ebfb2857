/** The page: three live things over one connection, and the state of that connection. */
import { Chat } from './Chat.tsx';
import { useConnectionState } from './live.ts';
import { Orders } from './Orders.tsx';
import { Plan } from './Plan.tsx';

export function App() {
  return (
    <>
      <header>
        <h1>The bakery today</h1>
        <Connection />
      </header>
      <main>
        <Orders />
        <Chat />
        <Plan />
      </main>
    </>
  );
}

const words = {
  idle: 'Not connected',
  connecting: 'Connecting…',
  connected: 'Live',
  reconnecting: 'Connection lost, trying again…',
  suspended: 'Paused',
  closed: 'Closed',
  failed: 'Not connected',
};

function Connection() {
  const { state } = useConnectionState();
  return (
    <p className={`connection is-${state}`} role="status">
      {words[state]}
    </p>
  );
}

/** Twenty concurrent subscriptions. */
import { useQuery } from '@tanstack/react-query';
import { useSubscription } from '@trpc/tanstack-react-query';
import { isStock, trpc } from './trpc.ts';

const NAMES = Array.from({ length: 20 }, (_, index) => `ticker ${index + 1}`);

export function App() {
  const hello = useQuery(trpc.hello.queryOptions());
  return (
    <main>
      <h1>{isStock ? 'httpSubscriptionLink' : 'linefeedLink'}</h1>
      <p>{hello.data}</p>
      <p>
        <a href="?link=linefeed">over Linefeed</a> · <a href="?link=stock">one connection each</a>
      </p>
      <ol>
        {NAMES.map((name) => (
          <Ticker key={name} name={name} />
        ))}
      </ol>
    </main>
  );
}

function Ticker({ name }: { readonly name: string }) {
  const { data, status } = useSubscription(trpc.ticker.subscriptionOptions({ name }));
  return (
    <li data-status={status} data-n={data?.data.n ?? ''}>
      {name}: {data === undefined ? status : data.data.n}
    </li>
  );
}

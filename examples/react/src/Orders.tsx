/** State by REST, then followed: the orders, each change of them, and all of them again after lost changes. */
import { useFollow } from '@linefeed/client/query';
import { queryOptions, useMutation, useQuery } from '@tanstack/react-query';
import type { Order, Orders as State } from '../channel.ts';
import { read, send } from './api.ts';
import { client } from './live.ts';

const ordersQuery = queryOptions({
  queryKey: ['orders'],
  queryFn: ({ signal }) => read<State>('/api/orders', signal),
  staleTime: Infinity, // the feed keeps it fresh
});

export function Orders() {
  const { data, error } = useQuery(ordersQuery);
  useFollow(client, 'order', {
    query: ordersQuery,
    reduce: ({ orders }, order) => ({ orders: put(orders, order) }),
  });
  const save = useMutation({ mutationFn: (order: Order) => send('PUT', '/api/orders', order) });
  const problem = error ?? save.error;

  function add(form: FormData) {
    save.mutate({ id: crypto.randomUUID(), what: form.get('what') as string, baked: false });
  }

  return (
    <section className="orders">
      <h2>Orders</h2>
      {data === undefined && <p className="quiet">Loading…</p>}
      <ul>
        {data?.orders.map((order) => (
          <li key={order.id}>
            <label>
              <input
                type="checkbox"
                checked={order.baked}
                onChange={(event) => save.mutate({ ...order, baked: event.target.checked })}
              />
              <span>{order.what}</span>
            </label>
          </li>
        ))}
      </ul>
      <form action={add}>
        <input
          name="what"
          aria-label="New order"
          placeholder="6 baguettes, Café Roth"
          maxLength={60}
          required
        />
        <button type="submit">Add</button>
      </form>
      {problem && <p role="alert">{problem.message}</p>}
    </section>
  );
}

/** The orders with this one replaced, or added at the end. Idempotent. */
function put(orders: readonly Order[], order: Order): readonly Order[] {
  return orders.some(({ id }) => id === order.id)
    ? orders.map((old) => (old.id === order.id ? order : old))
    : [...orders, order];
}

/** The tRPC client: the same app over either link. */
import { linefeedLink } from '@linefeed/client/trpc';
import { QueryClient } from '@tanstack/react-query';
import { createTRPCClient, httpBatchLink, httpSubscriptionLink, splitLink } from '@trpc/client';
import { createTRPCOptionsProxy } from '@trpc/tanstack-react-query';
import type { AppRouter } from '../router.ts';

export const isStock: boolean = new URLSearchParams(location.search).get('link') === 'stock';

const client = createTRPCClient<AppRouter>({
  links: [
    splitLink({
      condition: ({ type }) => type === 'subscription',
      // The only line that changes.
      true: isStock ? httpSubscriptionLink({ url: '/trpc' }) : linefeedLink({ url: '/live' }),
      false: httpBatchLink({ url: '/trpc' }),
    }),
  ],
});

export const queryClient: QueryClient = new QueryClient();
export const trpc = createTRPCOptionsProxy<AppRouter>({ client, queryClient });

/** The live end of the page: one client, and the hooks of its channel. */
import { createSharedClient } from '@linefeed/client/share';
import { createHooks } from '@linefeed/client/react';
import type { board } from '../channel.ts';

export const client = createSharedClient<typeof board>({ url: '/events' });
export const { Provider, useTopic, useConnectionState } = createHooks<typeof board>();

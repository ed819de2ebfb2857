import { defineChannel, stream, topic } from '@linefeed/shared';
import { QueryClient, queryOptions, skipToken } from '@tanstack/react-query';
import { describe, expectTypeOf, it } from 'vitest';
import { z } from 'zod';
import { createClient } from '@linefeed/client';
import { followQuery, useFollow } from '@linefeed/client/query';

const board = defineChannel({
  task: z.object({ id: z.string(), done: z.boolean() }),
  room: topic({ params: z.object({ name: z.string() }), data: z.string() }),
  report: stream({ data: z.number() }),
});

interface Snapshot {
  readonly cursor: string;
  readonly tasks: ReadonlyArray<{ readonly id: string; readonly done: boolean }>;
}

const client = createClient<typeof board>({ url: '/events' });
const read = async (): Promise<Snapshot> => ({ cursor: 'e.1', tasks: [] });
const query = queryOptions({ queryKey: ['tasks'], queryFn: read });

describe('useFollow', () => {
  it('useFollow infers the state from the query, and the payload from the topic', () => {
    useFollow(client, 'task', {
      query,
      reduce: (state, task, event) => {
        expectTypeOf(state).toEqualTypeOf<Snapshot>();
        expectTypeOf(task).toEqualTypeOf<{ id: string; done: boolean }>();
        expectTypeOf(event.topic).toEqualTypeOf<'task'>();
        return { tasks: [...state.tasks, task] };
      },
    });
    useFollow(client, 'room', {
      query: { queryKey: ['room'], queryFn: read },
      params: { name: 'x' },
      enabled: false,
      reduce: (state, line) => {
        expectTypeOf(line).toEqualTypeOf<string>();
        return state;
      },
    });
    const skipped = queryOptions({ queryKey: ['tasks'], queryFn: Math.random() > 1 ? read : skipToken });
    expectTypeOf(
      followQuery(new QueryClient(), client, 'task', { query: skipped, reduce: (state) => state }),
    ).toEqualTypeOf<() => void>();
  });

  it('useFollow rejects streams, unknown topics, missing params, and a state without a cursor', () => {
    const reduce = (state: Snapshot) => state;
    // @ts-expect-error -- a stream has no cursor
    useFollow(client, 'report', { query, reduce });
    // @ts-expect-error -- no such topic
    useFollow(client, 'tusk', { query, reduce });
    // @ts-expect-error -- params are missing
    useFollow(client, 'room', { query, reduce });
    // @ts-expect-error -- the state has another type
    useFollow(client, 'task', { query, reduce: () => ({ tasks: 1 }) });
    const cursorless = { queryKey: ['x'], queryFn: () => ({ tasks: [] }) };
    // @ts-expect-error -- the state has no cursor
    useFollow(client, 'task', { query: cursorless, reduce: (state) => state });
  });
});

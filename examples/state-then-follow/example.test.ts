import { once } from 'node:events';
import { memoryLog } from '@linefeed/server';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Snapshot, Task } from './channel.ts';
import { followTasks, readSnapshot } from './client.ts';
import { createTaskServer, type TaskServer } from './server.ts';

let tasks: TaskServer;
let origin: string;

beforeEach(async () => {
  tasks = createTaskServer(memoryLog({ maxEvents: 3 }));
  tasks.server.listen(0, '127.0.0.1');
  await once(tasks.server, 'listening');
  const address = tasks.server.address();
  origin = `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`;
});

afterEach(async () => {
  await tasks.feed.close();
  tasks.server.close();
  tasks.server.closeAllConnections();
});

async function post(task: Task): Promise<number> {
  const { status } = await fetch(`${origin}/tasks`, { method: 'POST', body: JSON.stringify(task) });
  return status;
}

const task = (id: string, done: boolean): Task => ({ id, title: `task ${id}`, done });

/** Follows until the tasks are as given; returns the number of changes. */
async function followUntil(
  snapshot: Snapshot,
  wanted: readonly Task[],
  onChange: (now: ReadonlyMap<string, Task>) => void = () => undefined,
): Promise<number> {
  let changes = 0;
  const reached = Promise.withResolvers<void>();
  const stop = followTasks(origin, snapshot, (now) => {
    changes += 1;
    onChange(now);
    if (JSON.stringify([...now.values()]) === JSON.stringify(wanted)) reached.resolve();
  });
  await reached.promise;
  stop();
  return changes;
}

describe('state, then follow', () => {
  it('followTasks misses no change between the state and the first byte of the feed', async () => {
    await post(task('a', false));
    const snapshot = await readSnapshot(origin);
    expect(snapshot.state).toEqual([task('a', false)]);
    await post(task('a', true));
    await post(task('b', false));
    expect(await followUntil(snapshot, [task('a', true), task('b', false)])).toBe(3);
  });

  it('followTasks leaves the tasks as they are when the state already includes a change', async () => {
    await post(task('a', false));
    const { cursor } = await readSnapshot(origin);
    await post(task('a', true));
    const { state } = await readSnapshot(origin);
    // As if the change had happened between the two reads of one snapshot: it is in the state, and is delivered too.
    const views: string[] = [];
    const delivered = Promise.withResolvers<void>();
    const stop = followTasks(origin, { cursor, state }, (now) => {
      views.push(JSON.stringify([...now.values()]));
      if (views.length === 2) delivered.resolve();
    });
    await delivered.promise;
    stop();
    expect(views).toEqual([JSON.stringify([task('a', true)]), JSON.stringify([task('a', true)])]);
  });

  it('followTasks reads the state again when the log no longer holds the changes', async () => {
    await post(task('a', false));
    const snapshot = await readSnapshot(origin);
    for (const id of ['b', 'c', 'd', 'e']) await post(task(id, true));
    const held = [task('a', false), ...['b', 'c', 'd', 'e'].map((id) => task(id, true))];
    const later = [...held, task('f', true)];
    const changes = await followUntil(snapshot, later, (now) => {
      if (now.size === held.length) void post(task('f', true));
    });
    // The old state, the new one, the change after it: events that the new state includes were dropped.
    expect(changes).toBe(3);
  });

  it('the task server answers 400 to a task that fails its schema, and stores nothing', async () => {
    expect(await post({ id: 'a' } as Task)).toBe(400);
    expect((await readSnapshot(origin)).state).toEqual([]);
  });
});

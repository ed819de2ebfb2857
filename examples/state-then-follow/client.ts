/** The reader: the state once, then every change after its cursor; the state again after lost changes. */
import { createClient } from '@linefeed/client';
import type { board, Snapshot, Task } from './channel.ts';

export async function readSnapshot(origin: string): Promise<Snapshot> {
  const response = await fetch(`${origin}/tasks`);
  if (!response.ok) throw new Error(`GET ${response.url} answered ${response.status}.`);
  return (await response.json()) as Snapshot;
}

/**
 * Follows the tasks from a snapshot on. `onChange` is called with all of them, at once and after every change.
 *
 * @returns the function that ends it.
 */
export function followTasks(
  origin: string,
  snapshot: Snapshot,
  onChange: (tasks: ReadonlyMap<string, Task>) => void,
): () => void {
  const tasks = new Map<string, Task>();

  function fill({ cursor, state }: Snapshot): string {
    tasks.clear();
    for (const task of state) tasks.set(task.id, task);
    onChange(tasks);
    return cursor;
  }

  const client = createClient<typeof board>({ url: `${origin}/events` });
  client.subscribe(
    'task',
    (task) => {
      // An event that is in the state already changes nothing: it carries the whole task.
      tasks.set(task.id, task);
      onChange(tasks);
    },
    {
      from: fill(snapshot),
      // Later events wait for this promise; those up to the returned cursor are dropped.
      onGap: async () => fill(await readSnapshot(origin)),
    },
  );
  return client.close;
}

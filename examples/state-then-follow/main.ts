/** Runs both ends in one process: `node main.ts`. */
import { once } from 'node:events';
import { followTasks, readSnapshot } from './client.ts';
import type { Task } from './channel.ts';
import { createTaskServer } from './server.ts';

const { server, feed } = createTaskServer();
server.listen(0, '127.0.0.1');
await once(server, 'listening');
const address = server.address();
if (address === null || typeof address === 'string') throw new Error('The server has no port.');
const origin = `http://127.0.0.1:${address.port}`;

async function post(task: Task): Promise<void> {
  await fetch(`${origin}/tasks`, { method: 'POST', body: JSON.stringify(task) });
}

await post({ id: 'a', title: 'Read the cursor', done: true });
const snapshot = await readSnapshot(origin);
console.log('state', JSON.stringify(snapshot));

// Between the state and the first byte of the feed: the cursor exists for this case.
await post({ id: 'b', title: 'Read the state', done: false });

const stop = followTasks(origin, snapshot, (tasks) => {
  const lines = [...tasks.values()].map(({ title, done }) => `${done ? '[x]' : '[ ]'} ${title}`);
  console.log('tasks', lines.join(', '));
  if (tasks.get('b')?.done === true) void end();
});

await post({ id: 'b', title: 'Read the state', done: true });

async function end(): Promise<void> {
  stop();
  await feed.close();
  server.close();
  server.closeAllConnections();
}

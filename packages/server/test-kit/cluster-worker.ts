/** A program with feeds in the workers of a cluster, or in this process if it is told no number of workers. */
import cluster from 'node:cluster';
import { createFeed, memoryLog } from '@linefeed/server';
import { sqliteLog } from '@linefeed/server/sqlite';
import { defineChannel } from '@linefeed/shared';
import * as z from 'zod';

const [workers, path] = process.argv.slice(2);

async function openFeeds(): Promise<void> {
  const log = path === undefined ? memoryLog() : sqliteLog({ path });
  const feeds = [1, 2].map(() =>
    createFeed(defineChannel({ notice: z.object({ text: z.string() }) }), { log }),
  );
  for (const feed of feeds) await feed.close();
  await log.close?.();
}

if (cluster.isPrimary && workers !== '0') {
  for (let n = 0; n < Number(workers); n += 1) cluster.fork();
} else {
  await openFeeds();
  cluster.worker?.disconnect();
}

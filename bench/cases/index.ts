/** All cases, in their order. */
import type { Case } from '../lib/case.ts';
import { addresses } from './addresses.ts';
import { burst } from './burst.ts';
import { client } from './client.ts';
import { fanout } from './fanout.ts';
import { growth } from './growth.ts';
import { hono } from './hono.ts';
import { idle } from './idle.ts';
import { logFanout } from './log-fanout.ts';
import { logFollow } from './log-follow.ts';
import { logLatency } from './log-latency.ts';
import { logPublish } from './log-publish.ts';
import { logReaders } from './log-readers.ts';
import { publish } from './publish.ts';
import { stalled } from './stalled.ts';
import { runJoin, runs } from './runs.ts';
import { replay, storm } from './storm.ts';
import { bundle, types } from './static.ts';
import { streams } from './streams.ts';

export const CASES: readonly Case[] = [
  fanout,
  burst,
  idle,
  client,
  addresses,
  storm,
  replay,
  stalled,
  streams,
  runs,
  runJoin,
  hono,
  publish,
  types,
  bundle,
  growth,
  logFanout,
  logPublish,
  logFollow,
  logReaders,
  logLatency,
];

/** All contenders in the order of their turns; compared ones are adjacent. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { findNchan } from './nchan.ts';

export interface ContenderEntry {
  readonly name: string;
  readonly title: string;
  readonly file: string;
  readonly options?: Readonly<Record<string, unknown>>;
  /** The reason why it cannot be measured here; `undefined` if it can. */
  missing(): string | undefined;
}

const here = (): undefined => undefined;
const peer = (): string | undefined =>
  existsSync(join(import.meta.dirname, '../node_modules')) ? undefined : 'not installed';

const BARE_CLIENTS: Readonly<Record<string, string>> = {
  redis: 'bare ioredis, Redis',
  postgres: 'bare pg, PostgreSQL',
  nats: 'bare nats.js, JetStream',
};

/** Contenders of the broadcast. */
const BROADCASTERS: readonly ContenderEntry[] = [
  { name: 'res-write', title: 'bare `res.write` loop', file: 'contenders/res-write.ts', missing: here },
  { name: 'floor', title: 'bare `socket.write` loop', file: 'contenders/floor.ts', missing: here },
  { name: 'linefeed', title: '**Linefeed**', file: 'contenders/linefeed.ts', missing: here },
  {
    name: 'nchan',
    title: 'nchan (nginx, C)',
    file: 'contenders/nchan.ts',
    missing: () => (findNchan() === undefined ? 'nginx or its module nchan is not installed' : undefined),
  },
  { name: 'better-sse', title: 'better-sse', file: 'peers/better-sse.ts', missing: peer },
  { name: 'fastify-sse', title: '@fastify/sse', file: 'peers/fastify-sse.ts', missing: peer },
  { name: 'h3', title: 'h3', file: 'peers/h3.ts', missing: peer },
  { name: 'hono', title: 'Hono `streamSSE`', file: 'peers/hono.ts', missing: peer },
  { name: 'graphql-sse', title: 'graphql-sse', file: 'peers/graphql-sse.ts', missing: peer },
  { name: 'orpc', title: 'oRPC', file: 'peers/orpc.ts', missing: peer },
  { name: 'trpc', title: 'tRPC', file: 'peers/trpc.ts', missing: peer },
];

/** Contenders of single cases. */
const OTHERS: readonly ContenderEntry[] = [
  {
    name: 'linefeed-addresses',
    title: '**Linefeed**',
    file: 'contenders/linefeed-addresses.ts',
    missing: here,
  },
  {
    name: 'floor-addresses',
    title: 'map of bare sockets',
    file: 'contenders/floor-addresses.ts',
    missing: here,
  },
  { name: 'linefeed-history', title: '**Linefeed**', file: 'contenders/linefeed-history.ts', missing: here },
  {
    name: 'floor-history',
    title: 'the same bytes, bare socket',
    file: 'contenders/floor-history.ts',
    missing: here,
  },
  {
    name: 'floor-encoding',
    title: 'bare socket that encodes each page',
    file: 'contenders/floor-history.ts',
    options: { encodes: true },
    missing: here,
  },
  {
    name: 'floor-answering',
    title: 'bare socket that greets and encodes',
    file: 'contenders/floor-history.ts',
    options: { encodes: true, answers: true },
    missing: here,
  },
  { name: 'floor-streams', title: 'bare sockets', file: 'contenders/floor-streams.ts', missing: here },
  { name: 'linefeed-streams', title: '**Linefeed**', file: 'contenders/linefeed-streams.ts', missing: here },
  {
    name: 'linefeed-hono',
    title: '**Linefeed** in Hono',
    file: 'peers/linefeed-hono.ts',
    missing: peer,
  },
  { name: 'linefeed-publish', title: '**Linefeed**', file: 'contenders/linefeed-publish.ts', missing: here },
];

/** Feeds over each log, and the bare clients of the logs' servers. */
const LOGS: readonly ContenderEntry[] = ['memory', 'sqlite', 'redis', 'postgres', 'nats'].flatMap((log) => [
  ...(log in BARE_CLIENTS
    ? [
        {
          name: `bare-${log}`,
          title: BARE_CLIENTS[log]!,
          file: 'contenders/bare-log.ts',
          options: { broker: log },
          missing: here,
        },
      ]
    : []),
  {
    name: `log-${log}`,
    title: `**Linefeed**, \`${log}Log\``,
    file: 'contenders/linefeed-log.ts',
    options: { log },
    missing: here,
  },
]);

/** Runs over each store of this machine, and streams with the same sources. */
const RUNS: readonly ContenderEntry[] = [
  { name: 'streams-of-runs', title: '**Linefeed**, `stream()`', options: { store: 'none' } },
  { name: 'runs-memory', title: '**Linefeed**, `memoryRuns`', options: { store: 'memory' } },
  { name: 'runs-sqlite', title: '**Linefeed**, `sqliteRuns`', options: { store: 'sqlite' } },
].map((entry) => ({ ...entry, file: 'contenders/linefeed-runs.ts', missing: here }));

export const CONTENDERS: readonly ContenderEntry[] = [...BROADCASTERS, ...OTHERS, ...LOGS, ...RUNS];

export const BROADCASTER_NAMES: readonly string[] = BROADCASTERS.map(({ name }) => name);

export function titleOf(name: string): string {
  return CONTENDERS.find((contender) => contender.name === name)?.title ?? name;
}

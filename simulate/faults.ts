/** Faults to plant in the real sources: the checker must catch every one. */
import { registerHooks } from 'node:module';
import { pathToFileURL } from 'node:url';
import { findSeams, plantPlan, readSources, type Plan } from './seams.ts';
import type { Traits } from './traits.ts';

export interface Fault {
  readonly name: string;
  /** More than one seam where one alone changes nothing. */
  readonly plan: Plan;
  /** Traits without which the fault never shows: the worlds that hunt it have them, whatever their seeds draw. */
  readonly needs?: Partial<Traits>;
}

export const FAULTS: readonly Fault[] = [
  {
    name: 'delivery goes live before it has read the last page',
    plan: { 'live-at-tail': 'true' },
  },
  {
    name: 'hello has the position of the tail as id',
    plan: { 'hello-id-at-start': 'hub.position' },
  },
  {
    name: 'the hub advances its position before it delivers the event',
    plan: { 'position-after-delivery': 'this.position = event.position; $' },
  },
  {
    name: 'a replay drops the gap of trimmed events',
    plan: { 'gap-of-trimmed': '' },
  },
  {
    name: 'delivery announces gaps after the events of the page',
    plan: { 'gaps-before-events': 'queueMicrotask(() => { $ });' },
  },
  {
    name: 'the server authorises only requests with one subscription',
    plan: { 'each-entry-authorized': 'alone ? $ : entry' },
  },
  {
    name: 'a query entry loses its start when another field follows it',
    plan: { 'from-anywhere-in-entry': "params.at(-1)?.[0] === 'from' ? $ : undefined" },
  },
  {
    name: 'query entries after the first one lose their start',
    plan: {
      'from-of-every-entry': '$.map((entry, index) => index === 0 ? entry : { ...entry, from: undefined })',
    },
  },
  {
    name: 'the server accepts a cursor of another epoch',
    plan: { 'cursor-of-this-epoch': 'false' },
  },
  {
    name: 'a resumed stream runs from its beginning',
    plan: { 'stream-resumes-after-id': 'undefined' },
  },
  {
    name: 'delivery ignores a reset of the log',
    plan: { 'reset-of-delivery': 'true' },
  },
  {
    name: 'delivery stays live after an overrun of the tail',
    plan: { 'overrun-reads-log': 'true' },
  },
  {
    name: 'delivery falls back to the position of an event that it could not queue',
    plan: { 'replay-from-queued': '(parseInt($, 36) + 1).toString(36)' },
  },
  {
    name: 'delivery never bounds the bytes that wait for a reader',
    plan: { 'bound-of-waiting-bytes': 'false' },
  },
  {
    name: 'a stream event has a cursor past the last queued event',
    plan: { 'stream-id-at-queued': 'this.#host.hub.cursor' },
  },
  {
    name: 'delivery writes the events of a page in reverse order',
    plan: { 'page-in-log-order': '$.toReversed()' },
  },
  {
    name: 'delivery merges a rewind before it has caught up',
    plan: { 'merge-after-catch-up': 'false' },
  },
  {
    name: 'delivery rewinds for a client that has only one cursor',
    plan: { 'one-cursor-for-keyless': '[]' },
  },
  {
    name: 'a replaying connection also gets live events',
    plan: { 'replay-leaves-hub': 'false' },
  },
  {
    name: 'the memory log reports a truncated page as complete',
    plan: { 'page-ends-at-cut': 'newest' },
  },
  {
    name: 'the client handles an event a second time',
    plan: { 'duplicate-dropped': 'false' },
  },
  {
    name: 'the client takes the start of an unusable cursor as its position before the gap arrives',
    plan: { 'position-after-gap': 'true' },
  },
  {
    name: 'the client starts a new address at an old cursor',
    plan: { 'new-entry-at-now': 'undefined' },
  },
  {
    name: 'the client calls a handler inside subscribe',
    plan: { 'handler-after-subscribe': 'running = undefined;' },
  },
  {
    name: 'the client consumes a restored cursor when a subscription has its own start',
    plan: { 'restored-cursor-kept': 'restored?.(address), $' },
  },
  {
    name: 'the client uses one timer for the linger and the retry of an address',
    needs: { unsureAuthorize: true },
    plan: { 'retry-timer-of-its-own': 'entry.state.cancelTimer?.(); $' },
  },
  {
    name: 'delivery keeps its position in the old log when only streams run',
    plan: { 'reset-of-delivery': '$ || this.size === 0', 'live-position-from-tail': 'main.position' },
    needs: { streamsFirst: true },
  },
  {
    name: 'delivery reads again at once after a page without progress',
    plan: { 'no-progress-waits': 'false' },
  },
  {
    name: 'the feed compares the epoch of a cursor before it waits for the log',
    plan: {
      'wait-for-authorize': 'const early = resolveShared(hub, asked.lastEventId, hub); $',
      'cursor-decided-at-open': 'early',
    },
  },
  {
    name: 'delivery writes a page of another epoch',
    plan: { 'page-of-this-epoch': 'false' },
  },
  {
    name: 'publish returns a cursor with a later epoch',
    plan: { 'epoch-of-append': 'log.epoch' },
  },
  {
    name: 'the server continues with a connection that a hook has disconnected',
    plan: { 'hook-after-transition': '$(), () => undefined', 'closed-delivery': '' },
  },
  {
    name: 'the gap of a reset starts at the position of the hub',
    plan: { 'reset-gap-from-reader': 'last.position' },
  },
  {
    name: 'a source runs before the other subscriptions are accepted',
    plan: { 'source-after-answers': 'return call();' },
  },
  {
    name: 'a source runs before the gaps of its request are announced',
    plan: { 'source-after-gaps': 'false' },
  },
  {
    name: 'delivery goes live before it reaches a start past the tail',
    plan: { 'live-after-start-ahead': 'true' },
    needs: { slowLog: true, aheadStarts: true },
  },
  {
    name: 'the server waits for an aborted source that never settles',
    plan: { 'abort-ends-run': '' },
  },
  {
    name: 'the server allows a retry of a source that failed permanently',
    plan: { 'retry-if-error-asks': 'true' },
  },
  {
    name: 'the error of one sink reaches other connections',
    plan: { 'error-of-one-sink': 'throw error;' },
  },
  {
    name: 'the error of a refused list is the first one although another one is retryable',
    plan: { 'retryable-refusal-first': '() => true' },
    needs: { unsureAuthorize: true },
  },
  {
    name: 'a connection writes after the authority of its client has ended',
    plan: { 'end-of-authority': 'false' },
  },
  {
    name: 'the client keeps a silent connection',
    plan: { 'silence-ends-connection': 'false' },
  },
  {
    name: 'the client resumes a rewinding address from the cursor of its connection',
    plan: { 'own-cursor-in-rewind': 'true' },
  },
  {
    name: 'the client requests an address again after a final refusal',
    plan: { 'refusal-is-final': 'plan.exhausted' },
  },
  {
    name: 'a subscription to keep: latest starts without the newest value',
    plan: { 'newest-value-first': "'now'" },
  },
  {
    name: 'delivery resumes after a cursor of a lost event',
    plan: { 'lost-cursor-is-a-gap': 'false' },
    needs: { remoteLog: true },
  },
  {
    name: 'the tail takes a late answer of a numbering that was left',
    plan: { 'answer-of-this-numbering': 'false' },
    needs: { remoteLog: true },
  },
  {
    name: 'a batch that is sent again gets a new number',
    plan: { 'repeat-keeps-number': 'this.#number += 1' },
    needs: { remoteLog: true },
  },
  {
    name: 'the calls of the server do not tell what the process knows',
    plan: { 'known-with-each-call': "{ epoch: '', position: '0' }" },
    needs: { remoteLog: true },
  },
];

/** Plants a fault in this process, before its files are loaded. */
export function plant({ plan }: Fault): void {
  const sources = readSources();
  const changed = plantPlan(plan, sources, findSeams(sources));
  const planted = new Map([...changed].map(([file, source]) => [pathToFileURL(file).href, source]));
  registerHooks({
    load(url, context, nextLoad) {
      const loaded = nextLoad(url, context);
      const source = planted.get(url);
      return source === undefined ? loaded : { ...loaded, source };
    },
  });
}

/** Faults to plant in the real sources, each a line changed: the checker must catch every one. */
import { readFileSync } from 'node:fs';
import { registerHooks } from 'node:module';
import { fileURLToPath } from 'node:url';
import type { Traits } from './traits.ts';

export interface Fault {
  readonly name: string;
  /** Below packages/. */
  readonly file: string;
  /** Stands in the file exactly once. */
  readonly find: string;
  readonly replace: string;
  /** Traits without which it never shows: the worlds that hunt it have them, whatever their seeds draw. */
  readonly needs?: Partial<Traits>;
  /** More changes, where one alone does nothing. Default: of the same file. */
  readonly and?: ReadonlyArray<{ readonly file?: string; readonly find: string; readonly replace: string }>;
}

const connection = 'server/src/lib/connection/connection.ts';
const delivery = 'server/src/lib/delivery/delivery.ts';
const feed = 'server/src/lib/feed/feed.ts';
const track = 'server/src/lib/delivery/replay-track.ts';
const place = 'client/src/lib/subscriptions/entry.ts';

export const FAULTS: readonly Fault[] = [
  {
    name: 'delivery goes live before it has read the last page',
    file: delivery,
    find: "if (place.state === 'replaying' && this.#hasReachedTail()) this.#goLive();",
    replace: "if (place.state === 'replaying') this.#goLive();",
  },
  {
    name: 'hello has the position of the tail as id',
    file: delivery,
    find: 'return usable ? hub.cursorAt(this.#main.position) : undefined;',
    replace: 'return hub.cursor;',
  },
  {
    name: 'the hub advances its position before it delivers the event',
    file: 'server/src/lib/delivery/hub.ts',
    find: 'const route = this.#routes.get(event.address);\n      if (route !== undefined) {\n        const frame',
    replace:
      'const route = this.#routes.get(event.address);\n      this.position = event.position;\n      if (route !== undefined) {\n        const frame',
  },
  {
    name: 'a replay drops the gap of trimmed events',
    file: track,
    find: "gaps.push({ address, from: { position }, to, reason: 'trimmed' });",
    replace: '',
  },
  {
    name: 'delivery announces gaps after the events of the page',
    file: delivery,
    find: 'if (isMain) this.#announceMain(gaps);',
    replace: 'if (isMain) void Promise.resolve().then(() => this.#announceMain(gaps));',
  },
  {
    name: 'the server authorises only requests with one subscription',
    file: 'server/src/lib/request/authorize.ts',
    find: 'return isAllowed === undefined ? entry :',
    replace: 'return isAllowed === undefined || !alone ? entry :',
  },
  {
    name: 'a query entry loses its start when another field follows it',
    file: 'shared/src/lib/wire/address.ts',
    find: "from: params.find(([name]) => name === 'from')?.[1],",
    replace: "from: params.at(-1)?.[0] === 'from' ? params.at(-1)?.[1] : undefined,",
  },
  {
    name: 'query entries after the first one lose their start',
    file: 'server/src/lib/request/parse.ts',
    find: 'return texts.map((text) => {',
    replace:
      "return texts.slice(0, 1).concat(texts.slice(1).map((text) => text.replace(/from=[^&]*&?/, ''))).map((text) => {",
  },
  {
    name: 'the server accepts a cursor of another epoch',
    file: 'server/src/lib/delivery/start-position.ts',
    find: 'if (cursor.epoch !== hub.epoch) return',
    replace: 'if (false) return',
  },
  {
    name: 'a resumed stream runs from its beginning',
    file: 'server/src/lib/connection/subscriptions.ts',
    find: "const lastEventId = resume.type === 'behind' ? resume.id : undefined;",
    replace: 'const lastEventId = undefined;',
  },
  {
    name: 'delivery ignores a reset of the log',
    file: delivery,
    find: "  reset(reason: 'rollback' | 'epoch', left: Cursor): void {\n",
    replace: "  reset(reason: 'rollback' | 'epoch', left: Cursor): void {\n    return;\n",
  },
  {
    name: 'delivery stays live after an overrun of the tail',
    file: delivery,
    find: 'if (this.#isLive) this.#fallBack();',
    replace: '',
  },
  {
    name: 'delivery falls back to the newest position instead of the last written one',
    file: delivery,
    find: 'this.#fallBack(this.#pendingFrom);',
    replace: 'this.#fallBack(this.#options.hub.position);',
  },
  {
    name: 'delivery never bounds the bytes that wait for a reader',
    file: delivery,
    find: 'if (waiting + pending.byteLength > maxBufferedBytes && (waiting > 0 || pending.length > 1)) {',
    replace: 'if (Boolean(0)) {',
  },
  {
    name: 'a stream event has a cursor past the last written event',
    file: connection,
    find: '    this.logged.flush();\n    return this.logged.cursor;',
    replace: '    return this.#host.hub.cursor;',
  },
  {
    name: 'delivery writes the events of a page sorted by address',
    file: delivery,
    find: 'const events = track.owedOf(page, end);',
    replace: 'const events = track.owedOf(page, end).toSorted((a, b) => (a.address < b.address ? -1 : 1));',
  },
  {
    name: 'delivery merges a rewind before it has caught up',
    file: delivery,
    find: 'if (comparePositions(track.position, this.position) < 0) this.#tracks.putBack(track);',
    replace: 'if (Boolean(0)) this.#tracks.putBack(track);',
  },
  {
    name: 'delivery rewinds for a client that has only one cursor',
    file: delivery,
    find: 'asked.filter(({ key }) => key === undefined)',
    replace: '[]',
  },
  {
    name: 'a replaying connection also gets live events',
    file: delivery,
    find: 'if (this.#isLive)\n      for (const address of this.#main.addresses.keys()) this.#options.hub.leave(address, this);',
    replace: '',
  },
  {
    name: 'the memory log reports a truncated page as complete',
    file: 'server/src/lib/log/memory-log.ts',
    find: 'const through = cut ? events.at(-1)!.position : laterOf(after, this.position());',
    replace: 'const through = laterOf(after, this.position());',
  },
  {
    name: 'the client handles an event a second time',
    file: 'client/src/lib/subscriptions/frame-router.ts',
    find: 'if (isAtOrBefore(own, behind)) continue;',
    replace: '',
  },
  {
    name: 'the client takes the start of an unusable cursor as its position before the gap arrives',
    file: 'client/src/lib/subscriptions/frame-router.ts',
    find: 'if (!awaitsGap(entry, start)) entry.at',
    replace: 'entry.at',
  },
  {
    name: 'the client starts a new address at an old cursor',
    file: place,
    find: "((cursor || isOpen) && event === undefined ? 'now' : undefined)",
    replace: 'undefined',
  },
  {
    name: 'the client calls a handler inside subscribe',
    file: 'client/src/lib/subscriptions/subscription.ts',
    find: 'soon(() => work(next()));',
    replace: 'running = undefined;',
  },
  {
    name: 'the client consumes a restored cursor when a subscription has its own start',
    file: 'client/src/lib/subscriptions/registry.ts',
    find: 'own ? toFrom(from) : restored(address)',
    replace: '[restored(address)].map((kept) => (own ? toFrom(from) : kept))[0]',
  },
  {
    name: 'the client uses one timer for the linger and the retry of an address',
    needs: { unsureAuthorize: true },
    file: 'client/src/lib/subscriptions/registry.ts',
    find: 'entry.cancelRetry = clock',
    replace: 'entry.cancelLinger = entry.cancelRetry = clock',
  },
  {
    name: 'delivery keeps its position in the old log when only streams run',
    file: delivery,
    find: 'const reached = this.#positionAt(left.position);',
    replace: 'if (this.size === 0) return;\n    const reached = this.#positionAt(left.position);',
    and: [
      { find: 'this.#place.skipThrough ?? BEGINNING', replace: 'this.#main.position' },
      { find: 'if (track.position === before && this.#isReading(track)) await hub.changed();', replace: '' },
    ],
  },
  {
    name: 'delivery reads again at once after a page without progress',
    file: delivery,
    find: 'if (track.position === before && this.#isReading(track)) await hub.changed();',
    replace: '',
  },
  {
    name: 'the feed compares the epoch of a cursor before it waits for the log',
    file: feed,
    find: 'const { admitted, refused } = await',
    replace:
      "const early = resolveShared(this.hub, lastEventId, { epoch: this.hub.epoch, position: 'z'.repeat(9) });\n    const { admitted, refused } = await",
    and: [{ find: 'resolveShared(this.hub, lastEventId, reach)', replace: 'early' }],
  },
  {
    name: 'delivery writes a page of another epoch',
    file: delivery,
    find: 'if (page.epoch !== hub.epoch) return await hub.changed();',
    replace: '',
  },
  {
    name: 'publish returns a cursor with a later epoch',
    file: 'server/src/lib/feed/create-feed.ts',
    find: 'formatCursor(epoch, position)',
    replace: 'formatCursor(log.epoch, position)',
  },
  {
    name: 'the server continues with a connection that a hook has disconnected',
    file: 'server/src/lib/feed/create-feed.ts',
    find: 'queueMicrotask(() => scope.run(guarded));',
    replace: 'scope.run(guarded);',
    and: [{ file: delivery, find: 'this.#place = CLOSED;', replace: '' }],
  },
  {
    name: 'the gap of a reset starts at the position of the hub',
    file: delivery,
    find: 'formatCursor(left.epoch, stood)',
    replace: 'formatCursor(left.epoch, left.position)',
  },
  {
    name: 'a source runs before the other subscriptions are accepted',
    file: 'server/src/lib/connection/subscriptions.ts',
    find: 'logged.afterGaps(() => {',
    replace: '((call: () => void) => call())(() => {',
  },
  {
    name: 'a source runs before the gaps of its request are announced',
    file: delivery,
    find: ' || this.#tracks.awaitsGaps) return;',
    replace: ') return;',
  },
  {
    name: 'delivery goes live before it reaches a start past the tail',
    file: delivery,
    find: ' && !this.#main.hasStartAhead;',
    replace: ';',
    needs: { slowLog: true, aheadStarts: true },
  },
  {
    name: 'the server waits for an aborted source that never settles',
    file: 'server/src/lib/stream/source.ts',
    find: "session.addEventListener('abort', cancel, { once: true });",
    replace: '',
  },
  {
    name: 'the server allows a retry of a source that failed permanently',
    file: 'server/src/lib/stream/run-stream.ts',
    find: 'asksForRetry(end.error) &&',
    replace: '',
  },
  {
    name: 'the error of one outlet reaches other connections',
    file: 'server/src/lib/connection/outbox.ts',
    find: 'return this.#break(error);',
    replace: 'throw error;',
  },
  {
    name: 'the error of a refused list is the first one although another one is retryable',
    file: feed,
    find: 'refused.find((entry) => entry.error.retryable) ?? ',
    replace: '',
    needs: { unsureAuthorize: true },
  },
  {
    name: 'a connection writes after the authority of its client has ended',
    file: connection,
    find: 'if (this.#expiry.isOver)',
    replace: 'if (Boolean(0))',
  },
];

/** Plants a fault in this process, before its files are loaded. */
export function plant({ name, file, find, replace, and = [] }: Fault): void {
  const edits = [{ file, find, replace }, ...and.map((edit) => ({ file, ...edit }))];
  const sources = new Map<string, string>();
  for (const edit of edits) {
    const path = new URL(`../packages/${edit.file}`, import.meta.url).href;
    const before = sources.get(path) ?? readFileSync(fileURLToPath(path), 'utf8');
    const count = before.split(edit.find).length - 1;
    if (count !== 1)
      throw new Error(
        `"${name}": what it replaces stands ${count} times in ${edit.file}; bring simulate/faults.ts up to date.`,
      );
    sources.set(
      path,
      before.replace(edit.find, () => edit.replace),
    );
  }
  registerHooks({
    load(url, context, nextLoad) {
      const loaded = nextLoad(url, context);
      const source = sources.get(url);
      return source === undefined ? loaded : { ...loaded, source };
    },
  });
}

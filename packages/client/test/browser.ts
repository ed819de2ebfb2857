/** The tabs of one browser, controlled by a test: Web Locks, a broadcast channel, and crashes of tabs. */
import type { Surroundings } from '../src/lib/tabs/leader-election.ts';

interface Waiting {
  readonly tab: BrowserTab;
  readonly grant: () => void;
  readonly fail: (error: Error) => void;
}

interface Held extends Waiting {
  readonly release: () => void;
}

/** One tab. */
export interface BrowserTab {
  readonly surroundings: Surroundings;
  hidden: boolean;
  /** True: requests for locks fail. */
  refusesLocks: boolean;
  /** Ends the tab without an event: its locks become free, and no message reaches or leaves it. */
  readonly crash: () => void;
  /** The tab runs no code and receives no messages, but keeps its locks. */
  readonly freeze: () => void;
  /** Runs a timer's task of this tab. It waits while the tab is frozen. */
  readonly run: (task: () => void) => void;
  /** The tab runs again, and messages sent to it meanwhile arrive. */
  readonly thaw: () => void;
  /** Fires the event that a browser sends before a page is unloaded or enters the back-forward cache. */
  readonly putAway: () => void;
}

export interface Browser {
  readonly openTab: () => BrowserTab;
  /** Locks that are held or requested, and the number of open channels. */
  readonly leftovers: () => { readonly locks: string[]; readonly channels: number };
}

export function createBrowser(): Browser {
  const held = new Map<string, Held>();
  const queues = new Map<string, Waiting[]>();
  const channels = new Set<{
    readonly tab: BrowserTab;
    readonly name: string;
    readonly hear: (data: unknown) => void;
  }>();
  const gone = new Set<BrowserTab>();
  const frozen = new Map<BrowserTab, Array<() => void>>();

  /** Runs a task of a tab. It waits while the tab is frozen. */
  const run = (tab: BrowserTab, task: () => void) => {
    if (gone.has(tab)) return;
    const later = frozen.get(tab);
    if (later) later.push(task);
    else queueMicrotask(() => gone.has(tab) || (frozen.has(tab) ? frozen.get(tab)!.push(task) : task()));
  };

  const next = (name: string) => {
    if (held.has(name)) return;
    const waiting = queues.get(name)?.shift();
    waiting?.grant();
  };

  const free = (name: string, hold: Held) => {
    if (held.get(name) !== hold) return;
    held.delete(name);
    next(name);
  };

  const openTab = (): BrowserTab => {
    const away = new Set<() => void>();
    const request = (
      name: string,
      options: { readonly steal?: boolean; readonly signal?: AbortSignal },
      callback: () => unknown,
    ) =>
      new Promise((resolve, reject) => {
        if (gone.has(tab)) return;
        if (tab.refusesLocks) return reject(new DOMException('No locks here.', 'SecurityError'));
        const entry: Waiting = {
          tab,
          grant() {
            const hold: Held = { ...entry, release: () => free(name, hold) };
            held.set(name, hold);
            run(tab, () => {
              Promise.resolve(callback()).then((value) => {
                hold.release();
                resolve(value);
              }, reject);
            });
          },
          fail: (error) => run(tab, () => reject(error)),
        };
        options.signal?.addEventListener('abort', () => {
          const queue = queues.get(name) ?? [];
          if (!queue.includes(entry)) return;
          queue.splice(queue.indexOf(entry), 1);
          entry.fail(new DOMException('Aborted.', 'AbortError'));
        });
        if (options.steal) {
          const robbed = held.get(name);
          held.delete(name);
          entry.grant();
          robbed?.fail(new DOMException('Stolen.', 'AbortError'));
          return;
        }
        queues.set(name, [...(queues.get(name) ?? []), entry]);
        next(name);
      });
    const tab: BrowserTab = {
      hidden: false,
      refusesLocks: false,
      surroundings: {
        locks: { request } as unknown as LockManager,
        isHidden: () => tab.hidden,
        onAway(task, signal) {
          away.add(task);
          signal.addEventListener('abort', () => away.delete(task));
        },
        openChannel(name) {
          const target = new EventTarget();
          const channel = {
            tab,
            name,
            hear: (data: unknown) => target.dispatchEvent(new MessageEvent('message', { data })),
          };
          channels.add(channel);
          return Object.assign(target, {
            postMessage(data: unknown) {
              if (gone.has(tab)) return;
              if (frozen.has(tab)) return void frozen.get(tab)!.push(() => this.postMessage(data));
              const copy = structuredClone(data);
              for (const other of channels) {
                if (other === channel || other.name !== name) continue;
                run(other.tab, () => channels.has(other) && other.hear(copy));
              }
            },
            close: () => void channels.delete(channel),
          }) as unknown as BroadcastChannel;
        },
      },
      crash() {
        gone.add(tab);
        frozen.delete(tab);
        for (const channel of channels) if (channel.tab === tab) channels.delete(channel);
        for (const queue of queues.values()) {
          for (const entry of [...queue]) if (entry.tab === tab) queue.splice(queue.indexOf(entry), 1);
        }
        for (const [name, hold] of [...held]) if (hold.tab === tab) free(name, hold);
      },
      run: (task) => run(tab, task),
      freeze: () => void (frozen.has(tab) || frozen.set(tab, [])),
      thaw() {
        const tasks = frozen.get(tab) ?? [];
        frozen.delete(tab);
        for (const task of tasks) run(tab, task);
      },
      putAway: () => [...away].forEach((task) => task()),
    };
    return tab;
  };

  return {
    openTab,
    leftovers: () => ({
      locks: [...held.keys(), ...[...queues].flatMap(([name, queue]) => queue.map(() => name))],
      channels: channels.size,
    }),
  };
}

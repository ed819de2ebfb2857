/** Runs in the page under test before its own scripts. Observes the event streams of one feed and can cut them. */

export interface PageHookOptions {
  /** Path of the feed. */
  readonly path: string;
  /** Name of the page function that is called with each received frame: event, data, id. */
  readonly report: string;
  /** Name of the function that cuts (`false`) and allows (`true`) event streams, and of its `sessionStorage` key. */
  readonly connect: string;
}

/**
 * Sent to the page as source text. So it uses nothing from outside, and no private fields: compilers move those to
 * helpers.
 */
export function installPageHook({ path, report, connect }: PageHookOptions): void {
  const page = globalThis as unknown as Record<string, unknown> & typeof globalThis;
  const cuts = new Set<() => void>();
  // A page keeps the setting of the previous page in this tab. `about:blank` has no storage.
  let open = location.origin === 'null' || sessionStorage.getItem(connect) === null;
  page[connect] = (next: boolean) => {
    open = next;
    if (next) sessionStorage.removeItem(connect);
    else sessionStorage.setItem(connect, 'cut');
    if (!next) for (const cut of cuts) cut();
  };

  const isFeed = (url: string): boolean => {
    const { pathname } = new URL(url, location.href);
    return pathname === path || pathname.startsWith(`${path}/`);
  };
  const tell = (event: string, data: string, id: string): void => {
    (page[report] as (event: string, data: string, id: string) => unknown)(event, data, id);
  };

  const realFetch = page.fetch;
  page.fetch = async (input, init) => {
    if (!isFeed(input instanceof Request ? input.url : String(input))) return realFetch(input, init);
    if (!open) throw new TypeError('The test has disconnected this page.');
    const controller = new AbortController();
    const given = init?.signal;
    given?.addEventListener('abort', () => controller.abort(given.reason), { signal: controller.signal });
    if (given?.aborted === true) controller.abort(given.reason);
    const cut = (): void => controller.abort(new TypeError('The test has cut this response.'));
    cuts.add(cut);
    controller.signal.addEventListener('abort', () => cuts.delete(cut));
    const response = await realFetch(input, { ...init, signal: controller.signal });
    if (response.headers.get('content-type')?.startsWith('text/event-stream') !== true) {
      cuts.delete(cut);
      return response;
    }
    void read(response.clone()).finally(() => cuts.delete(cut));
    return response;
  };

  const read = async (response: Response): Promise<void> => {
    const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
    let text = '';
    try {
      for (;;) {
        const { done, value } = await reader.read();
        if (done) return;
        text += value;
        for (let at = text.indexOf('\n\n'); at !== -1; at = text.indexOf('\n\n')) {
          tellBlock(text.slice(0, at));
          text = text.slice(at + 2);
        }
      }
    } catch {
      // The stream was cut. An incomplete frame was not received.
    }
  };
  const tellBlock = (block: string): void => {
    const fields: Record<string, string[]> = {};
    for (const line of block.split('\n')) {
      const [, name = '', value = ''] = /^([a-z]+): ?(.*)$/.exec(line) ?? [];
      (fields[name] ??= []).push(value);
    }
    const { event = [], data, id = [] } = fields;
    if (data !== undefined) tell(event[0] ?? 'message', data.join('\n'), id[0] ?? '');
  };

  page.EventSource = new Proxy(page.EventSource, {
    construct(target, given: [string | URL, EventSourceInit?]) {
      const source = new target(...given);
      if (!isFeed(String(given[0]))) return source;
      const heard = new Set<string>();
      const add = source.addEventListener.bind(source) as (type: string, ...rest: unknown[]) => void;
      const close = source.close.bind(source);
      const cut = (): void => {
        source.close();
        source.dispatchEvent(new Event('error'));
      };
      const listen = (type: string, ...rest: unknown[]): void => {
        if (type !== 'open' && type !== 'error' && !heard.has(type)) {
          heard.add(type);
          add(type, ({ data, lastEventId }: MessageEvent<string>) => tell(type, data, lastEventId));
        }
        add(type, ...rest);
      };
      cuts.add(cut);
      // Like a browser: never before the constructor has returned.
      if (!open) queueMicrotask(() => cuts.has(cut) && cut());
      return Object.assign(source, {
        addEventListener: listen,
        close() {
          cuts.delete(cut);
          close();
        },
      });
    },
  });
}

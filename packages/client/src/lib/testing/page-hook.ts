/** What runs in a page under test before its own scripts: watches the event streams of one feed, and can cut them. */

export interface PageHookOptions {
  /** Path of the feed. */
  readonly path: string;
  /** Name of the function that takes what was received: event, data, id. */
  readonly report: string;
  /** Name of the function that cuts (`false`) and lets in again (`true`). */
  readonly connect: string;
  /** Whether streams are let in at first. */
  readonly online: boolean;
}

/** Self-contained: it travels to the page as text. */
export function installPageHook({ path, report, connect, online }: PageHookOptions): void {
  const page = globalThis as unknown as Record<string, unknown> & typeof globalThis;
  const cuts = new Set<() => void>();
  let open = online;
  page[connect] = (next: boolean) => {
    open = next;
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
      // Cut: what is not whole was not received.
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

  const RealEventSource = page.EventSource;
  page.EventSource = class extends RealEventSource {
    #heard = new Set<string>();
    #watched: boolean;

    constructor(url: string | URL, init?: EventSourceInit) {
      super(url, init);
      this.#watched = isFeed(String(url));
      if (!this.#watched) return;
      const cut = (): void => {
        cuts.delete(cut);
        super.close();
        this.dispatchEvent(new Event('error'));
      };
      cuts.add(cut);
      this.#forget = () => void cuts.delete(cut);
      // As a browser does: never before the constructor has returned.
      if (!open) setTimeout(cut, 0);
    }

    #forget = (): void => {};

    override addEventListener(type: string, ...rest: unknown[]): void {
      const add = super.addEventListener as (type: string, ...rest: unknown[]) => void;
      if (this.#watched && type !== 'open' && type !== 'error' && !this.#heard.has(type)) {
        this.#heard.add(type);
        add.call(this, type, ({ data, lastEventId }: MessageEvent<string>) => tell(type, data, lastEventId));
      }
      add.call(this, type, ...rest);
    }

    override close(): void {
      this.#forget();
      super.close();
    }
  };
}

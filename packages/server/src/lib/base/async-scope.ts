/** Captures and restores the async context of a request (AsyncLocalStorage), on hosts that have one. */

/** The async context that was current at the time of the capture. */
export interface AsyncScope {
  /** Calls `call` in that context. */
  run<T>(call: () => T): T;
}

/** The used part of `AsyncResource`. A snapshot of AsyncLocalStorage takes twenty times as much memory. */
interface Resource {
  runInAsyncScope<T>(call: () => T): T;
}

interface Host {
  readonly process?: {
    getBuiltinModule?(
      name: 'node:async_hooks',
    ): { AsyncResource?: new (type: string) => Resource } | undefined;
  };
}

const AsyncResource = (globalThis as Host).process?.getBuiltinModule?.('node:async_hooks')?.AsyncResource;

const NONE: AsyncScope = { run: (call) => call() };

class ResourceScope implements AsyncScope {
  readonly #resource: Resource;

  constructor(resource: Resource) {
    this.#resource = resource;
  }

  run<T>(call: () => T): T {
    return this.#resource.runInAsyncScope(call);
  }
}

/** Captures the current context. The result retains the stores of its request. */
export function captureScope(): AsyncScope {
  return AsyncResource === undefined ? NONE : new ResourceScope(new AsyncResource('LinefeedScope'));
}

const outside = captureScope();

/**
 * Calls `call` outside of every request's context. A timer set in a request would retain its stores, and its callback
 * would see them.
 */
export function runOutside<T>(call: () => T): T {
  return outside.run(call);
}

/** The async context of a request (AsyncLocalStorage), on hosts that have one. */

/** What was current when it was captured. */
export interface AsyncScope {
  /** Calls with that current again. */
  run<T>(call: () => T): T;
}

/** The part of `AsyncResource` that is used. A snapshot of AsyncLocalStorage weighs twenty times as much. */
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

/** The scope that is current. It retains the stores of its request. */
export function captureScope(): AsyncScope {
  return AsyncResource === undefined ? NONE : new ResourceScope(new AsyncResource('LinefeedScope'));
}

const outside = captureScope();

/**
 * Calls outside of every request. A timer that is set in a request retains its stores, and what the timer calls would
 * see them.
 */
export function runOutside<T>(call: () => T): T {
  return outside.run(call);
}

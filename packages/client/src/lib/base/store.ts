/** A value with listeners, in the shape that React, Vue and Svelte subscribe to. */

/** A value with listeners. Both functions are bound: they can be passed on without the object. */
export interface Readable<T> {
  /** The current value. The reference stays the same until the value changes. */
  readonly getSnapshot: () => T;
  /** Calls `listener` after every change, until the returned function is called. */
  readonly subscribe: (listener: () => void) => () => void;
}

export interface Store<T> extends Readable<T> {
  readonly set: (value: T) => void;
}

export function createStore<T>(value: T): Store<T> {
  const listeners = new Set<() => void>();
  return {
    getSnapshot: () => value,
    subscribe(listener) {
      // A wrapper per call, so that the same function subscribed twice is called twice.
      const entry = () => listener();
      listeners.add(entry);
      return () => void listeners.delete(entry);
    },
    set(next) {
      value = next;
      for (const listener of [...listeners]) {
        try {
          listener();
        } catch (error) {
          // Rethrow as an unhandled rejection: an error in one listener must not stop the others.
          void Promise.reject(error);
        }
      }
    },
  };
}

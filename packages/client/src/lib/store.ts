/** A value with listeners, in the shape that React, Vue and Svelte subscribe to. */

/** Both functions are bound: they may be passed on alone. */
export interface Readable<T> {
  /** The current value: the same reference until it changes. */
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
      // A wrapper of its own: the same function given twice counts twice.
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
          // A listener's error is its owner's: it shows as unhandled and keeps no one else from hearing.
          void Promise.reject(error);
        }
      }
    },
  };
}

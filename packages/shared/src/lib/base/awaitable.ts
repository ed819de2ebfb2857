/** Types of values that may be asynchronous. */

/** A value, or something that can be awaited for it: a return value of an application's code. */
export type Awaitable<T> = T | PromiseLike<T>;

/** A value, or a real promise of it: `instanceof Promise` decides between the two. */
export type MaybePromise<T> = T | Promise<T>;

/** A browser engine behind the smallest interface that the proof needs. */

export type EngineName = 'chromium' | 'firefox' | 'webkit';

/** A page in a window of its own. */
export interface Tab {
  /** Leaves the page for another one; resolves once that is loaded. */
  open(url: string): Promise<void>;
  /** Evaluates an expression in the page, waits for its promise, and gives its value as JSON carries it. */
  evaluate<T>(expression: string): Promise<T>;
  /** As its user would. */
  close(): Promise<void>;
}

/** An engine is its first page, and goes with it. */
export interface Engine extends Tab {
  readonly name: EngineName;
  /** As it calls itself: `Firefox 153.7`. */
  readonly version: string;
  /** Opens another page, which shares storage, locks and channels with the first. */
  newTab(): Promise<Tab>;
}

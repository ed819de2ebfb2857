/** The smallest interface that the tests need from a browser engine. */

export type EngineName = 'chromium' | 'firefox' | 'webkit';

/** A page in its own window. */
export interface Tab {
  /** Navigates the page to another one; resolves when that is loaded. */
  open(url: string): Promise<void>;
  /** Evaluates an expression in the page, awaits its promise, and returns its value as JSON carries it. */
  evaluate<T>(expression: string): Promise<T>;
  /** Closes it like a user. */
  close(): Promise<void>;
}

/** An engine is its first page, and closes with it. */
export interface Engine extends Tab {
  readonly name: EngineName;
  /** Name and version that it reports: `Firefox 153.7`. */
  readonly version: string;
  /** Opens another page, which shares storage, locks and channels with the first. */
  newTab(): Promise<Tab>;
}

/** A source that is fed by calls: TanStack AI pushes chunks, and a run pulls its source. */

export class ChunkQueue {
  #waiting: unknown[] = [];
  /** Number of all pushed chunks. */
  #pushed = 0;
  #isClosed = false;
  #failure: Error | undefined;
  #wake = (): void => {};

  /** Returns the number of the last chunk in the run. */
  push(chunks: readonly unknown[]): number {
    this.#waiting.push(...chunks);
    this.#pushed += chunks.length;
    this.#wake();
    return this.#pushed;
  }

  /** Ends the source after the pushed chunks. With an error, it fails. */
  close(failure: Error | undefined): void {
    this.#failure = failure;
    this.#isClosed = true;
    this.#wake();
  }

  /** The source of the run. Called once. */
  async *read(signal: AbortSignal): AsyncGenerator<unknown, undefined, void> {
    // The source of a stopped run must not wait for a push.
    signal.addEventListener('abort', () => this.#wake());
    while (!signal.aborted) {
      const chunks = this.#waiting;
      this.#waiting = [];
      yield* chunks;
      if (this.#waiting.length > 0) continue;
      if (this.#isClosed) break;
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
    if (this.#failure !== undefined) throw this.#failure;
    return undefined;
  }
}

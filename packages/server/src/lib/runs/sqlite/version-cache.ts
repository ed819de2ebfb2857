/** The versions of records that a process asks for again and again, as long as no other process changes the file. */
import type { TimedVersion } from './tables.ts';

/** Beyond it, all are forgotten and read again. */
const MAX_VERSIONS = 50_000;

export class VersionCache {
  readonly #versions = new Map<string, TimedVersion | undefined>();
  #dataVersion = -1;

  /** Forgets all if another process has changed the file since the last call. */
  update(dataVersion: number): void {
    if (dataVersion === this.#dataVersion && this.#versions.size <= MAX_VERSIONS) return;
    this.#versions.clear();
    this.#dataVersion = dataVersion;
  }

  /** The keys whose versions must be read. */
  missing(keys: readonly string[]): readonly string[] {
    return keys.filter((key) => !this.#versions.has(key));
  }

  set(key: string, version: TimedVersion | undefined): void {
    this.#versions.set(key, version);
  }

  /** A commit of this process. */
  committed(key: string, version: TimedVersion): void {
    if (this.#versions.has(key)) this.#versions.set(key, version);
  }

  get(key: string, now: number): number | undefined {
    const found = this.#versions.get(key);
    return found !== undefined && found.keptUntil > now ? found.version : undefined;
  }

  clear(): void {
    this.#versions.clear();
    this.#dataVersion = -1;
  }
}

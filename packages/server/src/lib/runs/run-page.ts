/** Consecutive events of a run as frames. All readers that get them share the text and the bytes. */
import { encodeCleanFrame, formatStreamId } from '@linefeed/shared/wire';
import { formatRunPosition } from './run-position.ts';

const encoder = new TextEncoder();

interface Encoded {
  readonly idPrefix: string;
  readonly text: string;
  bytes?: Uint8Array;
}

export class RunPage {
  readonly run: string;
  /** The number of the event before the first one. */
  readonly after: number;
  /** JSON texts. */
  readonly events: readonly string[];
  readonly #address: string;
  /** The last text, and its bytes once they are requested. Most connections have the same first part of their ids. */
  #encoded: Encoded | undefined;

  constructor(address: string, run: string, after: number, events: readonly string[]) {
    this.#address = address;
    this.run = run;
    this.after = after;
    this.events = events;
  }

  /** The frames. `idPrefix`: the part of their ids before the tilde. */
  text(idPrefix: string): string {
    return this.#encode(idPrefix).text;
  }

  /** The frames. The same prefix returns the same array. */
  bytes(idPrefix: string): Uint8Array {
    const encoded = this.#encode(idPrefix);
    return (encoded.bytes ??= encoder.encode(encoded.text));
  }

  #encode(idPrefix: string): Encoded {
    if (this.#encoded?.idPrefix === idPrefix) return this.#encoded;
    // The ids of a page differ in their last number only.
    const first = formatStreamId(idPrefix, formatRunPosition({ run: this.run, n: 0 }));
    const idStart = first.slice(0, -1);
    let text = '';
    let n = this.after;
    for (const json of this.events) {
      n += 1;
      text += encodeCleanFrame(this.#address, json, idStart + n);
    }
    return (this.#encoded = { idPrefix, text });
  }
}

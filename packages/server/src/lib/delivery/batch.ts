/**
 * The frames that one tick writes to each connection, as a trie. Connections that get the same frames in the same order
 * share a path of nodes. The bytes of a path are joined once.
 */

import type { Position } from '@linefeed/shared/wire';

/** A frame ready to be sent, encoded once for all connections. */
export interface Frame {
  /** Position of its event, which is also in its id. */
  readonly position: Position;
  readonly bytes: Uint8Array;
}

/** A node of the trie: the frames from the root to this node. */
export class Batch {
  readonly frame: Frame | undefined;
  readonly parent: Batch | undefined;
  readonly length: number;
  readonly byteLength: number;
  /** Cache of the first child. In most ticks every connection gets the same next frame, and the map is not needed. */
  #next: Batch | undefined;
  #others: Map<Frame, Batch> | undefined;
  #bytes: Uint8Array | undefined;

  constructor(parent?: Batch, frame?: Frame) {
    this.parent = parent;
    this.frame = frame;
    this.length = parent === undefined ? 0 : parent.length + 1;
    this.byteLength = parent === undefined ? 0 : parent.byteLength + (frame?.bytes.byteLength ?? 0);
  }

  /** The batch with this frame at its end. Each call with the same frame returns the same batch. */
  append(frame: Frame): Batch {
    const next = this.#next;
    if (next === undefined) return (this.#next = new Batch(this, frame));
    if (next.frame === frame) return next;
    this.#others ??= new Map();
    let other = this.#others.get(frame);
    if (other === undefined) this.#others.set(frame, (other = new Batch(this, frame)));
    return other;
  }

  /** All frames of the path, joined. All callers get the same array. */
  get bytes(): Uint8Array {
    return (this.#bytes ??= this.#join());
  }

  #join(): Uint8Array {
    if (this.length === 1) return this.frame!.bytes;
    const joined = new Uint8Array(this.byteLength);
    let end = this.byteLength;
    for (let node: Batch | undefined = this; node?.frame !== undefined; node = node.parent) {
      end -= node.frame.bytes.byteLength;
      joined.set(node.frame.bytes, end);
    }
    return joined;
  }
}

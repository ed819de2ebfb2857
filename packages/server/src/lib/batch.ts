/**
 * What one tick has to say to each connection, shared: connections that get the same frames in the same order walk
 * the same path of nodes, and the bytes of a path are joined once.
 */

import type { Position } from '@linefeed/shared/wire';

/** A frame ready to be sent, encoded once for everybody. */
export interface Frame {
  /** Where its event stands, which is what its id says. */
  readonly position: Position;
  readonly bytes: Uint8Array;
}

/** The frames from the root to here. */
export class Batch {
  readonly frame: Frame | undefined;
  readonly parent: Batch | undefined;
  readonly length: number;
  readonly byteLength: number;
  /** Most ticks bring every connection the same next frame: one slot before the map. */
  #next: Batch | undefined;
  #others: Map<Frame, Batch> | undefined;
  #bytes: Uint8Array | undefined;

  constructor(parent?: Batch, frame?: Frame) {
    this.parent = parent;
    this.frame = frame;
    this.length = parent === undefined ? 0 : parent.length + 1;
    this.byteLength = parent === undefined ? 0 : parent.byteLength + (frame?.bytes.byteLength ?? 0);
  }

  /** The path that goes on with this frame. */
  with(frame: Frame): Batch {
    const next = this.#next;
    if (next === undefined) return (this.#next = new Batch(this, frame));
    if (next.frame === frame) return next;
    this.#others ??= new Map();
    let other = this.#others.get(frame);
    if (other === undefined) this.#others.set(frame, (other = new Batch(this, frame)));
    return other;
  }

  /** All frames of the path in one piece; the same piece for everybody who asks. */
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

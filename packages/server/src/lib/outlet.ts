/** The open end of a response: what the core writes to, whatever runtime carries it. */

export interface OutletListener {
  /** The transport took what was waiting: there is room again. */
  onDrain(): void;
  /** The response is over, whoever ended it. Called once. */
  onClose(): void;
}

/** One open response body. Every adapter implements this and nothing else. */
export interface Outlet {
  /** Bytes handed over that the transport has not taken yet. */
  readonly bufferedBytes: number;
  /** Bytes that may be written now before it counts as full; after 0, `onDrain` tells when there is room again. */
  readonly roomBytes: number;
  readonly closed: boolean;
  /** Hands bytes over. They are kept by reference and must not change. Nothing happens once closed. */
  write(bytes: Uint8Array): void;
  /** Ends the body after what was written, and these last bytes. */
  end(last?: Uint8Array): void;
  /** Cuts the connection. */
  destroy(): void;
  /** Sets the one listener; on an outlet already closed, `onClose` follows at once. */
  listen(listener: OutletListener): void;
}

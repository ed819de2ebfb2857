/** The writable body of an open response, independent of the runtime. */

/**
 * Why the client must leave its connection. `reconnect`: it was told to reconnect, elsewhere or later. `closing`: the
 * feed is closing, so that nothing more is served here. On HTTP/1.1 both end the connection after the response. Over
 * HTTP/2 only `closing` ends the session, because other requests share it.
 */
export type Departure = 'reconnect' | 'closing';

export interface SinkListener {
  /** The transport took waiting bytes: there is room again. */
  onDrain(): void;
  /** The response was ended by either side. Called once. */
  onClose(): void;
}

/** One open response body. Every adapter implements this and nothing else. */
export interface ResponseSink {
  /** Bytes written that the transport has not taken yet. */
  readonly bufferedBytes: number;
  /** Bytes that can be written before the sink is full. After 0, `onDrain` reports new room. */
  readonly roomBytes: number;
  readonly closed: boolean;
  /** Writes bytes. They are kept by reference and must not change. Does nothing after the sink is closed. */
  write(bytes: Uint8Array): void;
  /** Ends the body after all written bytes and these last ones. `departure`: ends the connection too. */
  end(last?: Uint8Array, departure?: Departure): void;
  /**
   * Ends the body after all written bytes, so that its reader sees that it is incomplete. `error`: for runtimes that pass
   * an error to the reader. The time that the reader takes is unbounded; `destroy` ends it.
   */
  breakOff(error: Error): void;
  /** Cuts the response now, so that its reader sees that it is incomplete. */
  destroy(): void;
  /** Sets the only listener. If the sink is already closed, `onClose` follows at once. */
  listen(listener: SinkListener): void;
}

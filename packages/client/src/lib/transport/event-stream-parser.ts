/** Parses an event stream: bytes in, frames out (WHATWG HTML §9.2.6). Pure. */

/** Receives the parsed frames. */
export interface EventStreamSink {
  /** A frame with data. `id` is the last event id; a frame without an id keeps the previous one. */
  onFrame(event: string, data: string, id: string): void;
  onRetry(retryMs: number): void;
}

/**
 * Creates the parser of one stream. Chunks may be cut at any byte. Returns `false` if a frame is longer than
 * `maxFrameLength` UTF-16 code units; the stream cannot be read further.
 */
export function createEventStreamParser(
  sink: EventStreamSink,
  maxFrameLength: number,
): (chunk: Uint8Array) => boolean {
  // Node's decoder removes a second byte order mark if the first one is cut between chunks. So the parser removes it.
  const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
  let unended = '';
  /** A character to skip in the next chunk: a byte order mark, or the LF of a CRLF. */
  let leftover = '\uFEFF';
  let type = '';
  let data: string | undefined;
  let id = '';

  /** Parses the line from `start` to `end` in place. A copy of each line would add a tenth to the total cost. */
  const read = (text: string, start: number, end: number) => {
    if (start === end) {
      if (data !== undefined) sink.onFrame(type || 'message', data, id);
      type = '';
      data = undefined;
      return;
    }
    const first = text[start];
    // The first character leaves only one possible field name.
    const name = first === 'd' ? 'data' : first === 'e' ? 'event' : first === 'i' ? 'id' : 'retry';
    const colon = start + name.length;
    // A longer field name has no colon at this index.
    if (!text.startsWith(name, start) || (colon < end && text[colon] !== ':')) return;
    const value = text.slice(colon + (text[colon + 1] === ' ' ? 2 : 1), end);
    if (name === 'data') data = data === undefined ? value : `${data}\n${value}`;
    else if (name === 'event') type = value;
    else if (name === 'id') id = value.includes('\0') ? id : value;
    else if (/^\d+$/.test(value)) sink.onRetry(Number(value));
  };

  return (chunk) => {
    let text = decoder.decode(chunk, { stream: true });
    // The chunk ends within its first character.
    if (text === '') return true;
    if (text[0] === leftover) text = text.slice(1);
    leftover = text.endsWith('\r') ? '\n' : '';
    // Most streams have no CR. The check costs a fraction of the replacement.
    if (text.includes('\r')) text = text.replace(/\r\n?/g, '\n');
    let at = 0;
    for (let end; (end = text.indexOf('\n', at)) >= 0; at = end + 1) {
      if (unended) {
        unended += text.slice(0, end);
        read(unended, 0, unended.length);
        unended = '';
      } else read(text, at, end);
      if (data !== undefined && data.length > maxFrameLength) return false;
    }
    // Append without scanning: the cost of a long line stays linear, even if it arrives in many small chunks.
    unended += text.slice(at);
    return unended.length + (data?.length ?? 0) <= maxFrameLength;
  };
}

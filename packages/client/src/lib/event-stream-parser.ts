/** Takes an event stream apart: bytes in, frames out (WHATWG HTML §9.2.6). Pure. */

/** Who reads. */
export interface EventStreamSink {
  /** A frame with data. `id` is the last event id: it stays until another one comes. */
  onFrame(event: string, data: string, id: string): void;
  onRetry(retryMs: number): void;
}

/**
 * Makes the parser of one stream. It takes chunks, however they are cut; `false`: a frame is longer than
 * `maxFrameLength` UTF-16 code units, and nothing more can be read.
 */
export function createEventStreamParser(
  sink: EventStreamSink,
  maxFrameLength: number,
): (chunk: Uint8Array) => boolean {
  // Node's own removal of a byte order mark takes a second one away where the first is cut.
  const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
  let unended = '';
  /** What the next chunk may start with and does not mean: a byte order mark, or the rest of a CRLF. */
  let leftover = '\uFEFF';
  let type = '';
  let data: string | undefined;
  let id = '';

  /** Reads the line from `start` to `end` in place: a copy of each line would cost a tenth of all the rest. */
  const read = (text: string, start: number, end: number) => {
    if (start === end) {
      if (data !== undefined) sink.onFrame(type || 'message', data, id);
      type = '';
      data = undefined;
      return;
    }
    const first = text[start];
    // The only field that it may be.
    const name = first === 'd' ? 'data' : first === 'e' ? 'event' : first === 'i' ? 'id' : 'retry';
    const colon = start + name.length;
    // A longer name has no colon there.
    if (!text.startsWith(name, start) || (colon < end && text[colon] !== ':')) return;
    const value = text.slice(colon + (text[colon + 1] === ' ' ? 2 : 1), end);
    if (name === 'data') data = data === undefined ? value : `${data}\n${value}`;
    else if (name === 'event') type = value;
    else if (name === 'id') id = value.includes('\0') ? id : value;
    else if (/^\d+$/.test(value)) sink.onRetry(Number(value));
  };

  return (chunk) => {
    let text = decoder.decode(chunk, { stream: true });
    // Half a character.
    if (text === '') return true;
    if (text[0] === leftover) text = text.slice(1);
    leftover = text.endsWith('\r') ? '\n' : '';
    // Most streams have none: looking costs a fraction of replacing.
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
    // Appended to and not looked at until its end comes: many small chunks of one long line cost no more than one.
    unended += text.slice(at);
    return unended.length + (data?.length ?? 0) <= maxFrameLength;
  };
}

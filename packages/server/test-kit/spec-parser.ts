/** An event stream parser written line by line from the standard, to verify the output of our encoder. */

/** An event as a browser dispatches it to a page. */
export interface Dispatched {
  readonly event: string;
  readonly data: string;
  readonly lastEventId: string;
}

export interface SpecParser {
  readonly events: Dispatched[];
  readonly comments: string[];
  readonly retries: number[];
  readonly lastEventId: string;
  feed(bytes: Uint8Array): void;
}

/** WHATWG HTML §9.2.5 and §9.2.6. */
export function createSpecParser(): SpecParser {
  const decoder = new TextDecoder();
  const events: Dispatched[] = [];
  const comments: string[] = [];
  const retries: number[] = [];
  let rest = '';
  let afterCarriageReturn = false;
  let data = '';
  let event = '';
  let idBuffer = '';
  let lastEventId = '';

  function field(name: string, value: string): void {
    if (name === 'event') event = value;
    else if (name === 'data') data += `${value}\n`;
    else if (name === 'id' && !value.includes('\0')) idBuffer = value;
    else if (name === 'retry' && /^[0-9]+$/.test(value)) retries.push(Number(value));
  }

  function line(text: string): void {
    if (text === '') {
      lastEventId = idBuffer;
      if (data !== '')
        events.push({ event: event === '' ? 'message' : event, data: data.slice(0, -1), lastEventId });
      data = '';
      event = '';
      return;
    }
    const colon = text.indexOf(':');
    if (colon === 0) comments.push(text.slice(1));
    else if (colon === -1) field(text, '');
    else field(text.slice(0, colon), text.slice(text[colon + 1] === ' ' ? colon + 2 : colon + 1));
  }

  return {
    events,
    comments,
    retries,
    get lastEventId() {
      return lastEventId;
    },
    feed(bytes) {
      let text = decoder.decode(bytes, { stream: true });
      if (text === '') return;
      // The LF of a CRLF that a chunk boundary split.
      if (afterCarriageReturn && text[0] === '\n') text = text.slice(1);
      rest += text;
      afterCarriageReturn = rest.endsWith('\r');
      const lines = rest.split(/\r\n|\r|\n/);
      rest = lines.pop()!;
      for (const one of lines) line(one);
    },
  };
}

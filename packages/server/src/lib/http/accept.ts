/** Whether a client refuses an event stream. It does so only with a quality of 0 (RFC 9110 §12.5.1). */
import { refusal } from '@linefeed/shared/wire';

/**
 * Quality of `text/event-stream` in an `Accept` header, 0 to 1. The most specific matching range decides. Without a
 * matching range it is 1: clients of language models send `accept: application/json` and read an event stream.
 */
export function eventStreamQuality(accept: string | undefined): number {
  // Fast path: every EventSource sends this.
  if (accept === undefined || accept === 'text/event-stream' || accept.trim() === '') return 1;
  let best = { specificity: -1, quality: 1 };
  for (const range of splitOutsideQuotes(accept, ',')) {
    const [type = '', ...parameters] = splitOutsideQuotes(range, ';').map((part) => part.trim());
    const specificity = rangeSpecificity(type.toLowerCase(), parameters);
    if (specificity <= best.specificity) continue;
    best = { specificity, quality: qualityOf(parameters) };
  }
  return best.quality;
}

/** @throws LinefeedError `not_acceptable` (406) if the `Accept` header gives an event stream the quality 0. */
export function assertAcceptable(accept: string | undefined): void {
  if (eventStreamQuality(accept) > 0) return;
  throw refusal(
    'not_acceptable',
    'The answer is text/event-stream, to which the Accept header gives the quality 0.',
  );
}

function rangeSpecificity(type: string, parameters: readonly string[]): number {
  if (type === '*/*') return 0;
  if (type === 'text/*') return 1;
  if (type !== 'text/event-stream') return -1;
  const own = parameters.filter((parameter) => !/^q\s*=/i.test(parameter));
  // Our one parameter is charset=utf-8; a range with another one does not match.
  return own.every((parameter) => /^charset\s*=\s*"?utf-?8"?$/i.test(parameter)) ? 2 + own.length : -1;
}

function qualityOf(parameters: readonly string[]): number {
  const parameter = parameters.find((candidate) => /^q\s*=/i.test(candidate));
  if (parameter === undefined) return 1;
  const quality = Number(parameter.slice(parameter.indexOf('=') + 1).trim());
  return Number.isFinite(quality) ? Math.min(Math.max(quality, 0), 1) : 1;
}

function splitOutsideQuotes(text: string, separator: string): string[] {
  const parts: string[] = [];
  let start = 0;
  let quoted = false;
  for (let index = 0; index < text.length; index += 1) {
    if (text[index] === '"') quoted = !quoted;
    else if (text[index] === '\\' && quoted) index += 1;
    else if (text[index] === separator && !quoted) {
      parts.push(text.slice(start, index));
      start = index + 1;
    }
  }
  return [...parts, text.slice(start)];
}

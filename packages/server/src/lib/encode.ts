/** What a source yields, as the text of one frame. */
import { encodeFrame, findJsonFault, LinefeedError } from '@linefeed/shared/wire';
import { isBytes } from './content.ts';
import { isMessage, toId, type MessageFields } from './message.ts';

export interface EncodingOptions {
  /** Event type of every yield that does not give one. */
  readonly event?: string | undefined;
  /** Id of every yield that does not give one. */
  readonly id?: string | number | undefined;
  /**
   * Turns what JSON does not carry (a Date, a bigint, a Map, an instance of a class) into what it does. Called for each
   * such value, however deep; `undefined` says that this encoder does not know it. Without one, such a value is an error.
   */
  readonly encode?: ((value: unknown) => unknown) | undefined;
  /** How bytes are written, by the labels of the Encoding Standard. The wire is always UTF-8. Default `utf-8`. */
  readonly encoding?: string | undefined;
}

/** What an encoder gives may have to be encoded again, but not for ever. */
const MAX_ENCODE_DEPTH = 16;

/** One frame for one yield. Throws LinefeedError `invalid_content` or `invalid_frame`. */
export type YieldEncoder = (value: unknown) => string;

/** @throws LinefeedError `invalid_frame` or `invalid_option` for defaults that no frame can bear. */
export function createYieldEncoder({ event, id, encode, encoding = 'utf-8' }: EncodingOptions): YieldEncoder {
  const decoder = createDecoder(encoding);
  const defaults = { event, id: toId(id) };
  encodeFrame(defaults);
  const toText = (data: unknown): string => {
    if (typeof data === 'string') return data;
    return isBytes(data) ? decoder.decode(data) : toJson(data, encode);
  };
  return (value) => {
    const fields: MessageFields = isMessage(value) ? value : {};
    const data = isMessage(value) ? value.data : value;
    if (data === undefined && !isMessage(value)) {
      throw new LinefeedError(
        'invalid_content',
        'The source yielded undefined; yield null for an empty payload, or message(undefined, { … }) for a frame without data.',
      );
    }
    return encodeFrame({
      comment: toComment(fields.comment),
      retryMs: fields.retryMs,
      id: toId(fields.id) ?? defaults.id,
      event: fields.event ?? defaults.event,
      data: data === undefined ? undefined : toText(data),
    });
  };
}

function createDecoder(encoding: string): TextDecoder {
  try {
    // A byte order mark is text like the rest: "as it is".
    return new TextDecoder(encoding, { ignoreBOM: true });
  } catch (error) {
    throw new LinefeedError(
      'invalid_option',
      `encoding: ${JSON.stringify(encoding)} is no encoding this runtime knows; use a label such as "utf-8", "utf-16le" or "windows-1252".`,
      { cause: error },
    );
  }
}

// Anything else that has the methods of a string could bring line breaks in behind the check.
export function toComment(comment: string | undefined): string | undefined {
  if (comment === undefined || typeof comment === 'string') return comment;
  throw new LinefeedError(
    'invalid_frame',
    `The comment of a message must be a string, not ${typeof comment}.`,
  );
}

function toJson(payload: unknown, encode: EncodingOptions['encode']): string {
  const value = encode === undefined ? payload : encodeDeep(payload, encode, [], 0);
  const fault = findJsonFault(value);
  if (fault === undefined) return JSON.stringify(value);
  const where = fault.path.length === 0 ? '' : `, at ${JSON.stringify(fault.path.join('.'))}, something`;
  throw new LinefeedError(
    'invalid_content',
    `The source yielded${where} that JSON does not carry: ${fault.what}. Convert it before, or in the option encode.`,
  );
}

function encodeDeep(
  value: unknown,
  encode: (value: unknown) => unknown,
  ancestors: readonly object[],
  depth: number,
): unknown {
  if (typeof value === 'string' || typeof value === 'boolean' || value === null || Number.isFinite(value))
    return value;
  const below = (inner: unknown): unknown => encodeDeep(inner, encode, [...ancestors, value as object], 0);
  if (Array.isArray(value)) return ancestors.includes(value) ? value : value.map(below);
  if (isRecord(value)) {
    if (ancestors.includes(value)) return value;
    const kept = Object.entries(value).filter(([, inner]) => inner !== undefined);
    return Object.fromEntries(kept.map(([key, inner]) => [key, below(inner)]));
  }
  const encoded = encode(value);
  if (encoded === undefined || encoded === value || depth === MAX_ENCODE_DEPTH) return value;
  return encodeDeep(encoded, encode, ancestors, depth + 1);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

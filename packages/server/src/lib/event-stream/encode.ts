/** Encodes the values that a source yields, one frame each. */
import { encodeFrame, findJsonFault, LinefeedError } from '@linefeed/shared/wire';
import { isBytes } from './content.ts';
import { isMessage, toId, type MessageFields } from '../stream/message.ts';

/** How the yields of a source become frames. */
export interface EncodingOptions {
  /** Event type of each value that has none of its own. */
  readonly event?: string | undefined;
  /** Id of each value that has none of its own. */
  readonly id?: string | number | undefined;
  /**
   * Converts a value that JSON cannot represent: a Date, a bigint, a Map, a class instance. Called for each such value
   * at any depth. `undefined` means that this encoder does not handle it. Without an encoder, such a value is an error.
   */
  readonly encode?: ((value: unknown) => unknown) | undefined;
  /**
   * How to decode bytes: a label of the Encoding Standard. The wire is always UTF-8.
   *
   * @default `utf-8`
   */
  readonly encoding?: string | undefined;
}

/** The result of an encoder may need encoding again. This bounds the recursion. */
const MAX_ENCODE_DEPTH = 16;

/** Encodes one value as one frame. Throws LinefeedError `invalid_content` or `invalid_frame`. */
export type YieldEncoder = (value: unknown) => string;

/** @throws LinefeedError `invalid_frame` or `invalid_option` for defaults that no frame can have. */
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
    // A byte order mark is kept as text.
    return new TextDecoder(encoding, { ignoreBOM: true });
  } catch (error) {
    throw new LinefeedError(
      'invalid_option',
      `encoding: ${JSON.stringify(encoding)} is not an encoding that this runtime knows; use a label such as "utf-8", "utf-16le" or "windows-1252".`,
      { cause: error },
    );
  }
}

// Only strings: another value with string methods could return line breaks after the check.
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
    `The source yielded${where} that JSON cannot represent: ${fault.what}. Convert it before, or in the option encode.`,
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

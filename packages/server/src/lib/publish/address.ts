/** Params of a feed: resolves and validates them, and bounds the length of the address. */
import {
  LinefeedError,
  paramNames,
  readParams,
  refusal,
  resolveParams,
  type MaybePromise,
  type ResolvedParams,
  type Schema,
} from '@linefeed/shared/wire';

/** The parts of a requested address. */
export interface AskedParams {
  readonly topic: string;
  readonly params: ReadonlyArray<readonly [name: string, text: string]>;
  /** The address as written. Present only if its length was already checked. */
  readonly address?: string | undefined;
}

/**
 * The text of an address in a request may have this many times `maxAddressBytes` characters. Percent-encoding can take
 * three characters for each byte.
 */
const MAX_TEXT_FACTOR = 4;

/**
 * Resolves params from a caller of the feed into an address.
 *
 * @throws LinefeedError `invalid_params` with the schema's issues, `address_too_long`
 */
export function resolveAddress(
  topic: string,
  schema: Schema,
  given: unknown,
  maxAddressBytes: number,
): MaybePromise<string> {
  const finish = ({ address }: ResolvedParams): string => {
    checkAddressSize(address, maxAddressBytes);
    return address;
  };
  const resolved = resolveParams(topic, schema, given);
  return resolved instanceof Promise ? resolved.then(finish) : finish(resolved);
}

/**
 * Resolves the params of a request. The errors have the status of a refusal.
 *
 * @throws LinefeedError `bad_request`, `invalid_params`, `address_too_long`
 */
export function readAskedParams(
  entry: AskedParams,
  schema: Schema,
  maxAddressBytes: number,
): MaybePromise<ResolvedParams> {
  const finish = (resolved: ResolvedParams): ResolvedParams => {
    checkAddressSize(resolved.address, maxAddressBytes);
    return resolved;
  };
  checkTextSize(entry, schema, maxAddressBytes);
  try {
    const resolved = readParams(entry.topic, schema, entry.params);
    return resolved instanceof Promise ? resolved.then(finish).catch(refuse) : finish(resolved);
  } catch (error) {
    return refuse(error);
  }
}

/** Counts only params of the schema: in the path form, the query may contain other keys of the application. */
function checkTextSize(
  { topic, params, address }: AskedParams,
  schema: Schema,
  maxAddressBytes: number,
): void {
  if (address !== undefined) return;
  const names = paramNames(schema);
  const length = params
    .filter(([name]) => names?.includes(name) !== false)
    .reduce((sum, [name, text]) => sum + name.length + text.length, topic.length);
  if (length > maxTextLength(maxAddressBytes)) throw tooLong(topic, length, maxTextLength(maxAddressBytes));
}

export function maxTextLength(maxAddressBytes: number): number {
  return MAX_TEXT_FACTOR * maxAddressBytes;
}

function refuse(error: unknown): never {
  if (!LinefeedError.is(error) || error.status !== undefined) throw error;
  const { code, message, issues, cause } = error;
  throw refusal(code, message, { issues, cause });
}

/** @throws LinefeedError `address_too_long` */
export function checkAddressSize(address: string, maxAddressBytes: number): void {
  // A percent-encoded address is ASCII: its length is its number of bytes.
  if (address.length > maxAddressBytes) throw tooLong(address, address.length, maxAddressBytes);
}

/** The message omits the params: they may be as long as a request, and those of a stream are for its source only. */
export function tooLong(address: string, length: number, allowed: number): LinefeedError {
  return refusal(
    'address_too_long',
    `The address of ${address.split('?', 1)[0]!.slice(0, 64)} has ${length} bytes, more than the ${allowed} allowed (maxAddressBytes); send shorter params, or raise that limit of the feed.`,
  );
}

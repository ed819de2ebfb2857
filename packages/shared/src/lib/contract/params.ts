/** Converts params to an address, and the texts of an address to params. */
import { canonicalJson, encodeAddress } from '../wire/address.ts';
import type { MaybePromise } from '../base/awaitable.ts';
import { LinefeedError, type Issue } from '../base/error.ts';
import { findJsonFault } from './json.ts';
import { paramNames, textSafeParams } from './param-schema.ts';
import { describeIssues, validate, type Schema, type Validated } from './schema.ts';

/** Validated params and their address. */
export interface ResolvedParams {
  /** The schema's output. */
  readonly params: unknown;
  readonly address: string;
}

/** Nesting limit of a param: schemas and JSON.stringify recurse once for each level. */
const MAX_DEPTH = 32;
/** Matches a text that JSON.parse may accept, except a bare string. Cheaper than an exception. */
const LOOKS_LIKE_JSON = /^\s*(?:[[{"\d-]|true\s*$|false\s*$|null\s*$)/;
/** Limit of cached checks for each schema. The cache holds addresses that have passed `checkText`. */
const MAX_CHECKED = 1_000;

const checked = new WeakMap<Schema, Set<string>>();

/**
 * The address of params as a caller gives them. Returns a promise only if the schema is asynchronous.
 *
 * @throws LinefeedError `invalid_params`
 */
export function resolveParams(topic: string, schema: Schema, given: unknown): MaybePromise<ResolvedParams> {
  return after(validate(schema, given), (result) => finish(topic, schema, given, result));
}

/**
 * The params that the texts of an address mean. Each text is first validated as a string. The texts that cause an
 * issue are then tried as JSON. Names that the schema does not declare are left out.
 *
 * @throws LinefeedError `invalid_params`; `bad_request` if a param is named twice
 */
export function readParams(
  topic: string,
  schema: Schema,
  texts: ReadonlyArray<readonly [name: string, text: string]>,
): MaybePromise<ResolvedParams> {
  const names = paramNames(schema);
  const declared = names === undefined ? texts : texts.filter(([name]) => names.includes(name));
  const input: Record<string, unknown> = Object.fromEntries(declared);
  if (Object.keys(input).length < declared.length)
    throw new LinefeedError('bad_request', `The address of ${topic} is malformed: it names a param twice.`);
  return after(validate(schema, input), (result) => {
    const failed = result.issues && readFailed(topic, input, result.issues);
    if (failed === undefined) return finish(topic, schema, input, result);
    return after(validate(schema, failed), (second) => finish(topic, schema, failed, second));
  });
}

/**
 * A copy of the input with each param that may have caused an issue parsed as JSON. `undefined` if none can be parsed.
 */
function readFailed(
  topic: string,
  input: Readonly<Record<string, unknown>>,
  issues: readonly Issue[],
): Record<string, unknown> | undefined {
  const failed = issues.map(({ path }) => (typeof path?.[0] === 'object' ? path[0].key : path?.[0]));
  // An issue of the whole object (a union of objects) may be about any of its params.
  const names = failed.includes(undefined) ? Object.keys(input) : failed.map(String);
  const read = { ...input };
  let changed = false;
  for (const name of names) {
    const text = read[name];
    if (typeof text !== 'string' || !LOOKS_LIKE_JSON.test(text)) continue;
    if (depthOf(text) > MAX_DEPTH) throw invalid(topic, [name], TOO_DEEP);
    try {
      read[name] = JSON.parse(text);
      changed = true;
    } catch {
      // Not JSON: the text stays a string, and the schema's issue remains.
    }
  }
  return changed ? read : undefined;
}

const TOO_DEEP = `nested deeper than ${MAX_DEPTH} levels`;

/** Nesting depth of a JSON text. */
function depthOf(text: string): number {
  let depth = 0;
  let deepest = 0;
  for (const [token] of text.matchAll(/"(?:[^"\\]|\\.)*"|[[\]{}]/g)) {
    if (token === '[' || token === '{') deepest = Math.max(deepest, (depth += 1));
    else if (token === ']' || token === '}') depth -= 1;
  }
  return deepest;
}

function finish(
  topic: string,
  schema: Schema,
  input: unknown,
  { issues, ...result }: Validated<unknown>,
): MaybePromise<ResolvedParams> {
  if (issues !== undefined) {
    throw new LinefeedError(
      'invalid_params',
      `The params of ${topic} are not valid: ${describeIssues(issues)}`,
      {
        issues,
      },
    );
  }
  const { value } = result as { readonly value: unknown };
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw invalid(
      topic,
      [],
      `${value === null ? 'null' : Array.isArray(value) ? 'an array' : `a ${typeof value}`}, not an object`,
    );
  const fault = findJsonFault(value, [], MAX_DEPTH);
  if (fault !== undefined) throw invalid(topic, fault.path, fault.what);
  const params = dropUndeclared(schema, value, input);
  const address = encodeAddress(topic, params);
  return after(checkText(topic, schema, input, params, address), () => ({ params, address }));
}

/**
 * Some schemas pass undeclared names through. A subscriber's request leaves them out, so the publisher's address must
 * too.
 */
function dropUndeclared(schema: Schema, value: object, input: unknown): object {
  const names = paramNames(schema);
  if (names === undefined || typeof input !== 'object' || input === null) return value;
  const isPassed = (name: string): boolean => !names.includes(name) && Object.hasOwn(input, name);
  const passed = Object.keys(value).some(isPassed);
  return passed ? Object.fromEntries(Object.entries(value).filter(([name]) => !isPassed(name))) : value;
}

/** An address holds strings without quotes. So `5` is refused if the schema also accepts the string `"5"`. */
function checkText(
  topic: string,
  schema: Schema,
  input: unknown,
  params: object,
  address: string,
): MaybePromise<void> {
  const safe = textSafeParams(schema);
  const doubtful = Object.entries(params).filter(
    ([name, value]) => value !== undefined && typeof value !== 'string' && !safe.has(name),
  );
  if (doubtful.length === 0) return undefined;
  const known = checked.get(schema) ?? new Set();
  // The key has the names of the non-string params: a string and another value may give the same address.
  const key = `${address} ${doubtful.map(([name]) => encodeURIComponent(name)).join()}`;
  if (known.has(key)) return undefined;
  checked.set(schema, known);
  const texts = doubtful.map(([name, value]) => [name, canonicalJson(value)] as const);
  // Test each param alone, and all together: a union of objects may accept strings only for all of them.
  const swaps = texts.length === 1 ? [texts] : [...texts.map((text) => [text]), texts];
  const checks = swaps.map((swap) =>
    after(validate(schema, { ...(input as object), ...Object.fromEntries(swap) }), (result) => {
      if (result.issues !== undefined) return;
      const value = result.value as Record<string, unknown> | null;
      const shared = swap.find(([name, text]) => value?.[name] === text);
      if (shared === undefined) return;
      const [name, text] = shared;
      throw invalid(
        topic,
        [name],
        `${text}, which in an address is the same as the string "${text}", and the schema takes both`,
      );
    }),
  );
  const note = (): void => {
    if (known.size >= MAX_CHECKED) known.clear();
    known.add(key);
  };
  return checks.some((check) => check instanceof Promise)
    ? Promise.all(checks.map(async (check) => check)).then(note)
    : note();
}

function invalid(topic: string, path: readonly string[], what: string): LinefeedError {
  const place = path.length === 0 ? 'they are' : `"${path.join('.')}" is`;
  return new LinefeedError(
    'invalid_params',
    `The params of ${topic} cannot be part of an address: ${place} ${what}.`,
    {
      issues: [{ message: `cannot be part of an address: ${what}`, path }],
    },
  );
}

function after<T, R>(value: MaybePromise<T>, call: (value: T) => MaybePromise<R>): MaybePromise<R> {
  return value instanceof Promise ? value.then(call) : call(value);
}

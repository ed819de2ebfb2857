/** Checks an options object at run time, for JavaScript and for names that the compiler did not see. */
import { LinefeedError } from './error.ts';

/**
 * The expected `typeof` of each option by name, or `false`, several separated by `|`. `any`: the owner checks the value
 * itself. `hidden`: an option between our own packages, neither checked nor listed.
 */
export type OptionTypes = Readonly<Record<string, string>>;

/**
 * Rejects a value that is not an object, an unknown option, and an option of the wrong type. `undefined` counts as
 * absent. `owner` is the name of the function in messages, such as "createClient".
 *
 * @throws LinefeedError `invalid_option`
 */
export function checkOptions(owner: string, options: unknown, types: OptionTypes): void {
  if (typeof options !== 'object' || options === null) {
    throw invalidOption(`${owner} takes its options as an object, not ${describe(options)}.`);
  }
  for (const [name, value] of Object.entries(options)) {
    const wanted = Object.hasOwn(types, name) ? types[name]! : '';
    if (value === undefined || wanted === 'hidden') continue;
    if (wanted === '') {
      const known = Object.keys(types).filter((key) => types[key] !== 'hidden');
      throw invalidOption(
        `${owner} has no option ${JSON.stringify(name)}; its options are ${known.join(', ')}.`,
      );
    }
    const kinds = wanted.split('|');
    if (
      wanted === 'any' ||
      (value !== null && kinds.includes(typeof value)) ||
      (value === false && kinds.includes('false'))
    )
      continue;
    const expected = kinds
      .map((kind) => (kind === 'false' ? kind : `${kind === 'object' ? 'an' : 'a'} ${kind}`))
      .join(' or ');
    throw invalidOption(`${name} must be ${expected}, not ${describe(value)}.`);
  }
}

/** Describes a value only by its type, because the value may be a secret. */
function describe(value: unknown): string {
  return value === null || value === undefined ? String(value) : typeof value;
}

export function invalidOption(message: string): LinefeedError {
  return new LinefeedError('invalid_option', message);
}

/** Checks an options object at run time, for JavaScript and for names that the compiler did not see. */
import { LinefeedError } from './error.ts';

/**
 * By option name, what `typeof` must give; several types are separated by `|`. `any`: the taker checks the value itself.
 * `hidden`: an option between our own packages, neither checked nor listed.
 */
export type OptionTypes = Readonly<Record<string, string>>;

/**
 * Refuses a value that is no object, an option that does not exist, and an option of the wrong type. `undefined` counts
 * as left out. `owner` names the taker of the options in messages: "createClient".
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
    if (wanted === 'any' || (value !== null && kinds.includes(typeof value))) continue;
    const expected = kinds.map((kind) => `${kind === 'object' ? 'an' : 'a'} ${kind}`).join(' or ');
    throw invalidOption(`${name} must be ${expected}, not ${describe(value)}.`);
  }
}

/** A value by its type: the value itself may be a secret. */
function describe(value: unknown): string {
  return value === null || value === undefined ? String(value) : typeof value;
}

export function invalidOption(message: string): LinefeedError {
  return new LinefeedError('invalid_option', message);
}

/** Parses the command line of the bench. */
import { parseArgs } from 'node:util';
import type { Settings } from './case.ts';

export interface Arguments {
  readonly help: boolean;
  readonly report: boolean;
  /** Nothing is stored. */
  readonly dry: boolean;
  /** The options that run only a part of a case; such a run does not replace the stored results. */
  readonly narrowedBy: readonly string[];
  /** Empty: all. */
  readonly cases: readonly string[];
  readonly settings: Omit<Settings, 'say'>;
}

/** Throws an `Error` whose message is for the user. */
export function readArguments(
  args: readonly string[],
  known: { readonly cases: readonly string[]; readonly contenders: readonly string[] },
): Arguments {
  const { values, positionals } = parse(args);
  refuseUnknown('case', positionals, known.cases);
  const only = values.only?.split(',');
  refuseUnknown('contender', only ?? [], known.contenders);
  return {
    help: values.help,
    report: values.report,
    dry: values.dry,
    narrowedBy: (['only', 'connections', 'bytes'] as const)
      .filter((name) => values[name] !== undefined)
      .map((name) => `--${name}`),
    cases: positionals,
    settings: {
      rounds: readCount('--rounds', values.rounds) ?? (values.quick ? 3 : 5),
      runMs: values.quick ? 250 : 700,
      quick: values.quick,
      connections: readCount('--connections', values.connections),
      bytes: readCount('--bytes', values.bytes),
      only,
    },
  };
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        quick: { type: 'boolean', default: false },
        rounds: { type: 'string' },
        connections: { type: 'string' },
        bytes: { type: 'string' },
        only: { type: 'string' },
        dry: { type: 'boolean', default: false },
        report: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    });
  } catch (error) {
    // The sentences after the first are about positional arguments that start with a dash.
    throw new Error((error as Error).message.split(/\. |\n/, 1)[0], { cause: error });
  }
}

function refuseUnknown(what: string, names: readonly string[], known: readonly string[]): void {
  const unknown = names.find((name) => !known.includes(name));
  if (unknown !== undefined)
    throw new Error(`There is no ${what} "${unknown}". There are: ${known.join(', ')}`);
}

function readCount(option: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const count = Number(text);
  if (Number.isSafeInteger(count) && count > 0) return count;
  throw new Error(`${option} takes a whole number above 0, not "${text}"`);
}

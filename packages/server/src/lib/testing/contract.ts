/** A contract suite as a list of cases that any test runner can run. */

/** One case. `run` rejects with an AssertionError if the subject breaks the contract. */
export interface ContractCase {
  /** The title of the test. It states the promise. */
  readonly name: string;
  /** Runs the case on a new subject. */
  run(): Promise<void>;
}

/** A case that does not run, because the subject lacks something that it needs. Its promise is not proved. */
export interface SkippedCase {
  /** The title of the test. It states the promise. */
  readonly name: string;
  /** For example `needs the faults halfOpen, rollBack`. */
  readonly reason: string;
}

/** The cases that run, and the ones that do not. */
export interface Contract extends ReadonlyArray<ContractCase> {
  /** The cases that were left out. Report them, for example as skipped tests: they are the promises not proved. */
  readonly skipped: readonly SkippedCase[];
}

/** A case before its subject is known. */
export interface CaseBody<Bench, Need extends string> {
  readonly name: string;
  readonly needs?: readonly Need[] | undefined;
  run(bench: Bench): Promise<void>;
}

/** The optional abilities of a subject, and the faults that it can have. */
type Abilities<Need extends string> = { readonly [K in Need]?: unknown } & {
  readonly faults?: readonly string[] | undefined;
};

/** Divides the cases into those whose needs are met, and the others. */
export function toContract<Need extends string, Body extends CaseBody<never, Need>>(
  bodies: readonly Body[],
  faults: readonly string[],
  traits: Abilities<Need>,
  run: (body: Body) => Promise<void>,
): Contract {
  const isMet = (need: Need) =>
    faults.includes(need) ? (traits.faults ?? []).includes(need) : traits[need] === true;
  const toText = (need: Need) => `the ${faults.includes(need) ? 'fault' : 'trait'} ${need}`;
  const cases: ContractCase[] = [];
  const skipped: SkippedCase[] = [];
  for (const body of bodies) {
    const missing = (body.needs ?? []).filter((need) => !isMet(need));
    if (missing.length > 0)
      skipped.push({ name: body.name, reason: `needs ${missing.map(toText).join(', ')}` });
    else cases.push({ name: body.name, run: () => run(body) });
  }
  return Object.assign(cases, { skipped });
}

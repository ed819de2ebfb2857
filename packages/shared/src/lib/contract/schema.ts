/** Schemas of any Standard Schema library: their types, and one way to run them. */
import type { StandardSchemaV1 } from '@standard-schema/spec';
import type { Issue } from '../base/error.ts';

/** A schema of zod, zod/mini, valibot or any other library that implements Standard Schema. */
export type Schema<Input = any, Output = Input> = StandardSchemaV1<Input, Output>;

/** The type that a schema accepts. */
export type Input<S> = S extends Schema ? NonNullable<S['~standard']['types']>['input'] : never;
/** The type that a schema returns. */
export type Output<S> = S extends Schema ? NonNullable<S['~standard']['types']>['output'] : never;

export type Validated<T> =
  | { readonly value: T; readonly issues?: undefined }
  | { readonly issues: readonly Issue[] };

/**
 * Runs a schema. Returns a promise only if the schema is asynchronous, so a usual `publish` completes in its own tick.
 */
export function validate<S extends Schema>(
  schema: S,
  value: unknown,
): Validated<Output<S>> | Promise<Validated<Output<S>>> {
  return schema['~standard'].validate(value) as Validated<Output<S>> | Promise<Validated<Output<S>>>;
}

export function isSchema(value: unknown): value is Schema {
  // ArkType's schemas are functions.
  return (
    ((typeof value === 'object' && value !== null) || typeof value === 'function') &&
    '~standard' in value &&
    typeof (value['~standard'] as { validate?: unknown } | null)?.validate === 'function'
  );
}

/** An issue's path such as `at.0.name`, for messages; empty for the value itself. */
export function issuePath(issue: Issue): string {
  return (issue.path ?? [])
    .map((part) => String(typeof part === 'object' && part !== null ? part.key : part))
    .join('.');
}

/** Formats issues as one line: `bid: expected number, at.0: …`. */
export function describeIssues(issues: readonly Issue[]): string {
  return issues
    .map((issue) => {
      const path = issuePath(issue);
      return path === '' ? issue.message : `${path}: ${issue.message}`;
    })
    .join('; ');
}

/** Arrays as texts for PostgreSQL, independent of how a client library encodes arrays. */

export function texts(values: ReadonlyArray<string | undefined>): string {
  const quoted = values.map((value) =>
    value === undefined ? 'NULL' : `"${value.replaceAll(/["\\]/g, '\\$&')}"`,
  );
  return `{${quoted.join(',')}}`;
}

export function numbers(values: readonly number[] | readonly string[]): string {
  return `{${values.join(',')}}`;
}

/** Takes the params of a stream out of what its schema complains of: they are for the source alone. */
import { describeIssues, LinefeedError, refusal } from '@linefeed/shared/wire';
import type { AskedEntry } from './opening.ts';

/** The same error, with no issue that quotes a param. */
export function withoutParams(error: unknown, { topic, params }: AskedEntry): unknown {
  if (!LinefeedError.is(error) || error.issues === undefined) return error;
  const secrets = params.flatMap(([, text]) => [text, ...leavesOf(text)]).filter((text) => text !== '');
  const isQuoted = (message: string): boolean => secrets.some((secret) => message.includes(secret));
  const issues = error.issues.map((issue) =>
    isQuoted(issue.message) ? { ...issue, message: 'is not valid' } : issue,
  );
  return refusal(error.code, `The params of ${topic} are not valid: ${describeIssues(issues)}`, { issues });
}

/** What stands in a param that is JSON. */
function leavesOf(text: string): string[] {
  const leaves: string[] = [];
  try {
    JSON.parse(text, (_key, value: unknown) => {
      if (typeof value === 'string' || typeof value === 'number') leaves.push(String(value));
    });
  } catch {
    // A string as it is.
  }
  // As schemas quote a string.
  return [...leaves, text].flatMap((leaf) => [leaf, JSON.stringify(leaf).slice(1, -1)]);
}

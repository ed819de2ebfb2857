/** Removes a stream's params from the issues of its schema: the params are for the source only. */
import { describeIssues, LinefeedError, refusal } from '@linefeed/shared/wire';
import type { AskedEntry } from './subscribe-request.ts';

/** Returns the error with a neutral message for each issue that quotes a param. */
export function withoutParams(error: unknown, { topic, params }: AskedEntry): unknown {
  if (!LinefeedError.is(error) || error.issues === undefined) return error;
  const secrets = params.flatMap(([, text]) => [text, ...leavesOf(text)]).filter((text) => text !== '');
  const isQuoted = (message: string): boolean => secrets.some((secret) => message.includes(secret));
  const issues = error.issues.map((issue) =>
    isQuoted(issue.message) ? { ...issue, message: 'is not valid' } : issue,
  );
  return refusal(error.code, `The params of ${topic} are not valid: ${describeIssues(issues)}`, { issues });
}

/** The strings and numbers inside a param that is JSON. */
function leavesOf(text: string): string[] {
  const leaves: string[] = [];
  try {
    JSON.parse(text, (_key, value: unknown) => {
      if (typeof value === 'string' || typeof value === 'number') leaves.push(String(value));
    });
  } catch {
    // The param is not JSON: a plain string.
  }
  // Schemas quote a string with JSON escapes.
  return [...leaves, text].flatMap((leaf) => [leaf, JSON.stringify(leaf).slice(1, -1)]);
}

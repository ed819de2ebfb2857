/** What a step of the test run is, and what it tells while it runs. */
import type { Count } from './report.ts';
import type { Task } from './schedule.ts';

/** What a step tells while it runs. */
export interface StepContext {
  /** Output that is shown if the step fails. */
  readonly log: (text: string) => void;
  /** A line that is shown at once. */
  readonly say: (line: string) => void;
  /** One check of the step ended. */
  readonly check: (name: string, ok: boolean) => void;
  /** A runner ended that counts its own tests. */
  readonly count: (count: Count) => void;
  /** Write what is kept in the repository instead of comparing with it. */
  readonly update: boolean;
}

export interface Step extends Task {
  readonly name: string;
  /** What it looks at, for the help. */
  readonly about: string;
  readonly run: (context: StepContext) => Promise<void>;
}

/** Types of a step of the test run and of its reports. */
import type { Count } from './report.ts';
import type { Task } from './schedule.ts';

/** Reports of a running step. */
export interface StepContext {
  /** Output that is shown if the step fails. */
  readonly log: (text: string) => void;
  /** A line that is shown at once. */
  readonly say: (line: string) => void;
  /** One check of the step ended. */
  readonly check: (name: string, ok: boolean) => void;
  /** A runner with its own test count ended. */
  readonly count: (count: Count) => void;
  /** Write the files in the repository instead of comparing with them. */
  readonly update: boolean;
  /** Do what only the long test run does, too. */
  readonly long: boolean;
}

export interface Step extends Task {
  readonly name: string;
  /** The subject of the step, for the help. */
  readonly about: string;
  readonly run: (context: StepContext) => Promise<void>;
}

/** The logs that the bench compares. */
import type { BrokerName } from '../../packages/server/test-kit/brokers/bare-log.ts';

export type LogName = 'memory' | 'sqlite' | BrokerName;

export const BROKER_NAMES: readonly BrokerName[] = ['redis', 'postgres', 'nats'];
export const LOG_NAMES: readonly LogName[] = ['memory', 'sqlite', ...BROKER_NAMES];

/** Where a process finds the logs of a case. */
export interface Places {
  /** A folder for files. */
  readonly folder: string;
  readonly urls: Readonly<Partial<Record<BrokerName, string>>>;
}

/** Milliseconds of a clock that all processes of the machine share. */
export function sharedNow(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

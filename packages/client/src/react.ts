/** Linefeed for React: subscriptions as hooks. */
export { createHooks } from './lib/react/hooks.ts';
export type { Hooks, ProviderProps, RunState, TopicResult, TopicStatus } from './lib/react/hooks.ts';
export type {
  InitialOption,
  Kept,
  ParamsOption,
  RunArguments,
  RunOptions,
  RunReduceOptions,
  TopicArguments,
  TopicOptionName,
  TopicOptions,
  TopicOptionsOf,
} from './lib/react/options.ts';

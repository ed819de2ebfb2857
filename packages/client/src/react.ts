/** Linefeed in React: subscriptions as hooks. */
export { createHooks } from './lib/react/hooks.ts';
export type { Hooks, ProviderProps, TopicResult, TopicStatus } from './lib/react/hooks.ts';
export type { TopicArguments, TopicOptions } from './lib/react/options.ts';

/** Linefeed for React: subscriptions as hooks. */
export { createHooks } from './lib/react/hooks.ts';
export type { Hooks, ProviderProps, TopicResult, TopicStatus } from './lib/react/hooks.ts';
export type { Kept, TopicArguments, TopicOptionName, TopicOptions } from './lib/react/options.ts';

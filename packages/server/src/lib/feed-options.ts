/** The options of a feed, looked at: a misspelt `authorize` would let in everybody, in silence. */
import type { AnyChannel } from '@linefeed/shared';
import { LinefeedError } from '@linefeed/shared/wire';
import type { FeedCoreOptions } from './feed.ts';
import type { BaseFeedOptions } from './feed-types.ts';
import { LIMIT_NAMES, type FeedLimits } from './limits.ts';
import type { UntypedSource } from './stream-run.ts';

/** Options of a feed, types taken off. */
export interface UntypedFeedOptions extends BaseFeedOptions<AnyChannel, unknown> {
  readonly streams?: Readonly<Record<string, UntypedSource | { readonly source: UntypedSource }>> | undefined;
  /** Takes the place of `streams`. */
  readonly sources?: FeedCoreOptions['sources'] | undefined;
  readonly contextPerRequest?: boolean | undefined;
}

type OptionName = keyof UntypedFeedOptions;

/** What users may give, by what `typeof` says of it. */
const TYPES = {
  path: 'string',
  context: 'function',
  authorize: 'function',
  streams: 'object',
  log: 'object',
  cors: 'object',
  hosts: 'object',
  onOpen: 'function',
  onClose: 'function',
  onSubscribe: 'function',
  onGap: 'function',
  onError: 'function',
  ...(Object.fromEntries(LIMIT_NAMES.map((name) => [name, 'number'])) as Record<keyof FeedLimits, 'number'>),
} satisfies Partial<Record<OptionName, string>>;

/** Between the files of this package. */
const INTERNAL: ReadonlySet<string> = new Set<Exclude<OptionName, keyof typeof TYPES>>([
  'clock',
  'sources',
  'contextPerRequest',
]);

const types: ReadonlyMap<string, string> = new Map(Object.entries(TYPES));

/** @throws LinefeedError `invalid_option` */
export function checkOptions(options: object): void {
  for (const [name, value] of Object.entries(options)) {
    if (value === undefined || INTERNAL.has(name)) continue;
    const wanted = types.get(name);
    if (wanted === undefined) {
      throw new LinefeedError(
        'invalid_option',
        `A feed has no option ${JSON.stringify(name)}; options are ${[...types.keys()].join(', ')}.`,
      );
    }
    const given = value === null ? 'null' : typeof value;
    if (given === wanted) continue;
    throw new LinefeedError(
      'invalid_option',
      `${name} must be ${wanted === 'object' ? 'an' : 'a'} ${wanted}, not ${given}.`,
    );
  }
}

/**
 * The wire format, for Linefeed's own packages. Semantic versioning does not cover it: import `@linefeed/shared`
 * instead.
 */
export { CODE_HEADER, MAX_ADDRESS_BYTES, MAX_SUBSCRIPTIONS } from './lib/wire/protocol.ts';
export { CONTROL_PREFIX, FRAME, PROTOCOL_VERSION, STREAM_KEY, streamEventName } from './lib/wire/protocol.ts';
export {
  canonicalJson,
  encodeAddress,
  addQuery,
  encodeEntry,
  parseAddress,
  parseEntry,
  RESERVED_PARAMS,
} from './lib/wire/address.ts';
export { paramNames } from './lib/contract/param-schema.ts';
export { readParams, resolveParams } from './lib/contract/params.ts';
export {
  BEGINNING,
  comparePositions,
  formatCursor,
  formatEndMark,
  formatStreamId,
  parseCursor,
  parseEventId,
  parseNextCursor,
  readStreamId,
  END_MARK,
} from './lib/wire/cursor.ts';
export { ERROR_STATUS, isRetryableStatus, LinefeedError, refusal } from './lib/base/error.ts';
export { encodeCleanFrame, encodeFrame } from './lib/wire/frame.ts';
export { findJsonFault } from './lib/contract/json.ts';
export { checkOptions, invalidOption } from './lib/base/options.ts';
export { describeIssues, isSchema, validate } from './lib/contract/schema.ts';
export type { ParsedAddress, ParsedEntry } from './lib/wire/address.ts';
export type { Awaitable, MaybePromise } from './lib/base/awaitable.ts';
export type { Cursor, EventId, Position } from './lib/wire/cursor.ts';
export type { FrameFields } from './lib/wire/frame.ts';
export type {
  CaughtUp,
  ControlRequest,
  End,
  Gap,
  GapReason,
  Hello,
  OpenRequest,
  Problem,
  Reconnect,
  ReconnectReason,
  RunBegin,
  RunOutcome,
  RunStart,
  StopRequest,
  StopResponse,
  Subscribed,
  SubscriptionEntry,
  SubscriptionError,
} from './lib/wire/protocol.ts';
export type { JsonFault } from './lib/contract/json.ts';
export type { OptionTypes } from './lib/base/options.ts';
export type { ResolvedParams } from './lib/contract/params.ts';
export type { Schema, Validated } from './lib/contract/schema.ts';

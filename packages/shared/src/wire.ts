/**
 * The wire format, for Linefeed's own packages. Semantic versioning does not cover it: import `@linefeed/shared`
 * instead.
 */
export { CODE_HEADER, MAX_ADDRESS_BYTES, MAX_SUBSCRIPTIONS } from './lib/protocol.ts';
export { CONTROL_PREFIX, FRAME, PROTOCOL_VERSION, STREAM_KEY, streamEventName } from './lib/protocol.ts';
export {
  canonicalJson,
  encodeAddress,
  encodeEntry,
  parseAddress,
  parseEntry,
  RESERVED_PARAMS,
} from './lib/address.ts';
export { paramNames } from './lib/param-schema.ts';
export { readParams, resolveParams } from './lib/params.ts';
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
} from './lib/cursor.ts';
export { ERROR_STATUS, isRetryableStatus, LinefeedError, refusal } from './lib/error.ts';
export { encodeCleanFrame, encodeFrame } from './lib/frame.ts';
export { findJsonFault } from './lib/json.ts';
export { checkOptions, invalidOption } from './lib/options.ts';
export { describeIssues, isSchema, validate } from './lib/schema.ts';
export type { ParsedAddress, ParsedEntry } from './lib/address.ts';
export type { Cursor, EventId, Position } from './lib/cursor.ts';
export type { FrameFields } from './lib/frame.ts';
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
  Subscribed,
  SubscriptionEntry,
  SubscriptionError,
} from './lib/protocol.ts';
export type { OptionTypes } from './lib/options.ts';
export type { ResolvedParams } from './lib/params.ts';
export type { Schema, Validated } from './lib/schema.ts';

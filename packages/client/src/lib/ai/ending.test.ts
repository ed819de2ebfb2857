import { LinefeedError } from '@linefeed/shared';
import { expect, test } from 'vitest';
import type { RunEnd } from '../subscriptions/types.ts';
import { toEndingChunk, toFinalType, type FinalType } from './ending.ts';

const ending = (outcome: RunEnd['outcome'], rest: Partial<RunEnd> = {}) =>
  ({ run: 'r', outcome, ...rest }) as RunEnd;
const LASTS: ReadonlyArray<FinalType | undefined> = [undefined, 'finish', 'abort', 'error'];

test('a run without a final chunk ends with a chunk for each outcome', () => {
  const chunkOf = (outcome: RunEnd['outcome']) => toEndingChunk(ending(outcome), undefined)?.type;
  expect(chunkOf('done')).toBe('finish');
  expect(chunkOf('stopped')).toBe('abort');
  expect(chunkOf('failed')).toBe('error');
  expect(chunkOf('lost')).toBe('error');
  expect(chunkOf('gone')).toBe('error');
});

test('a recorded final chunk is not repeated, and a lost run never ends as a success', () => {
  const types = (outcome: RunEnd['outcome']) =>
    LASTS.map((last) => toEndingChunk(ending(outcome), last)?.type);
  expect(types('done')).toEqual(['finish', undefined, undefined, undefined]);
  expect(types('stopped')).toEqual(['abort', 'abort', undefined, undefined]);
  for (const outcome of ['failed', 'lost', 'gone'] as const)
    expect(types(outcome)).toEqual(['error', 'error', 'error', undefined]);
});

test('the chunk of a stopped run has the reason, and that of a failed run its message', () => {
  expect(toEndingChunk(ending('stopped', { reason: 'user' }), undefined)).toEqual({
    type: 'abort',
    reason: 'user',
  });
  const failed = ending('failed', { error: new LinefeedError('run_limit', 'Too long.') });
  expect(toEndingChunk(failed, undefined)).toEqual({ type: 'error', errorText: 'Too long.' });
  expect(toEndingChunk(failed, undefined, ({ error }) => `Code ${error?.code}`)).toEqual({
    type: 'error',
    errorText: 'Code run_limit',
  });
});

test('only finish, abort and error end a message', () => {
  expect(toFinalType({ type: 'finish' })).toBe('finish');
  expect(toFinalType({ type: 'abort' })).toBe('abort');
  expect(toFinalType({ type: 'error', errorText: '' })).toBe('error');
  expect(toFinalType({ type: 'finish-step' })).toBeUndefined();
});

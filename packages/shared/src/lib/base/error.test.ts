import { describe, expect, test } from 'vitest';
import { ERROR_STATUS, isRetryableStatus, LinefeedError, refusal } from './error.ts';

describe('LinefeedError', () => {
  test('LinefeedError has the given fields', () => {
    const cause = new Error('below');
    const issues = [{ message: 'expected number', path: ['bid'] }];
    const error = new LinefeedError('invalid_payload', 'No.', {
      cause,
      issues,
      address: 'price',
      body: 'x',
      attempt: 2,
    });
    expect(error).toBeInstanceOf(Error);
    expect(error).toMatchObject({
      name: 'LinefeedError',
      message: 'No.',
      code: 'invalid_payload',
      cause,
      issues,
      address: 'price',
      body: 'x',
      attempt: 2,
      retryable: false,
    });
  });

  test('LinefeedError has a cause only if one is given', () => {
    expect('cause' in new LinefeedError('closed', 'Closed.')).toBe(false);
    expect('cause' in new LinefeedError('closed', 'Closed.', { cause: undefined })).toBe(true);
  });

  test('LinefeedError is retryable by its status, unless retryable is given', () => {
    expect(new LinefeedError('http_status', '503', { status: 503 }).retryable).toBe(true);
    expect(new LinefeedError('http_status', '403', { status: 403 }).retryable).toBe(false);
    expect(new LinefeedError('network', 'Gone.').retryable).toBe(false);
    expect(new LinefeedError('network', 'Gone.', { retryable: true }).retryable).toBe(true);
    expect(new LinefeedError('http_status', '503', { status: 503, retryable: false }).retryable).toBe(false);
  });

  test('LinefeedError.is accepts an error from another copy of the package', () => {
    const foreign = Object.assign(new Error('x'), { name: 'LinefeedError', code: 'network' });
    expect(LinefeedError.is(foreign)).toBe(true);
    expect(LinefeedError.is(new LinefeedError('network', 'x'))).toBe(true);
  });

  test.for([undefined, null, 'LinefeedError', new Error('x'), { name: 'LinefeedError', code: 'network' }])(
    'LinefeedError.is refuses %s',
    (value) => {
      expect(LinefeedError.is(value)).toBe(false);
    },
  );
});

test.for([
  [408, true],
  [425, true],
  [429, true],
  [500, true],
  [502, true],
  [503, true],
  [599, true],
  [204, false],
  [400, false],
  [401, false],
  [403, false],
  [404, false],
  [406, false],
  [410, false],
  // A browser reads such a status from half a status line.
  [2, true],
  [20, true],
  [99, true],
] as const)('isRetryableStatus(%i) is %s', ([status, retryable]) => {
  expect(isRetryableStatus(status)).toBe(retryable);
});

describe('refusal', () => {
  test('refusal sets the status of its code', () => {
    expect(refusal('forbidden', 'No.')).toMatchObject({ status: 403, retryable: false });
    expect(refusal('draining', 'Later.')).toMatchObject({ status: 503, retryable: true });
  });

  test('refusal keeps a given status', () => {
    expect(refusal('bad_request', 'No.', { status: 422 }).status).toBe(422);
  });

  test('refusal sets no status for a code that is never sent', () => {
    expect(refusal('invalid_frame', 'No.').status).toBeUndefined();
  });

  test('every status in ERROR_STATUS is between 400 and 599', () => {
    for (const status of Object.values(ERROR_STATUS)) {
      expect(status).toBeGreaterThanOrEqual(400);
      expect(status).toBeLessThan(600);
    }
  });
});

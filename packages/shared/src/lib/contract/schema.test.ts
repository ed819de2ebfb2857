import * as v from 'valibot';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { describeIssues, isSchema, issuePath, validate } from './schema.ts';

describe('validate', () => {
  test('validate is synchronous for a synchronous schema', () => {
    expect(validate(z.coerce.number(), '5')).toEqual({ value: 5 });
  });

  test('validate returns a promise for an asynchronous schema', async () => {
    const schema = v.pipeAsync(
      v.string(),
      v.checkAsync(() => Promise.resolve(true)),
    );
    const result = validate(schema, 'x');
    expect(result).toBeInstanceOf(Promise);
    expect(await result).toMatchObject({ value: 'x' });
  });

  test('validate returns issues with their paths, for zod and valibot', () => {
    for (const schema of [z.object({ at: z.array(z.number()) }), v.object({ at: v.array(v.number()) })]) {
      const result = validate(schema, { at: [1, 'x'] });
      expect(result).toHaveProperty('issues');
      expect('issues' in result && result.issues?.map(issuePath)).toEqual(['at.1']);
    }
  });
});

describe('isSchema', () => {
  test('isSchema recognises objects and functions by their interface', () => {
    const standard = { version: 1, vendor: 'x', validate: () => ({ value: 1 }) };
    expect(isSchema({ '~standard': standard })).toBe(true);
    expect(isSchema(Object.assign(() => 1, { '~standard': standard }))).toBe(true);
  });

  test.for([undefined, null, 'x', {}, { '~standard': null }, { '~standard': {} }, () => 1])(
    'isSchema refuses %s',
    (value) => {
      expect(isSchema(value)).toBe(false);
    },
  );
});

describe('describeIssues and issuePath', () => {
  test('describeIssues writes all issues in one line', () => {
    expect(
      describeIssues([
        { message: 'no' },
        { message: 'expected number', path: ['a', { key: 0 }, 'b'] },
        { message: 'odd', path: [Symbol('s')] },
      ]),
    ).toBe('no; a.0.b: expected number; Symbol(s): odd');
  });

  test('issuePath is empty for an issue about the value itself', () => {
    expect(issuePath({ message: 'no' })).toBe('');
    expect(issuePath({ message: 'no', path: [] })).toBe('');
  });
});

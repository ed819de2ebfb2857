import { describe, expect, it } from 'vitest';
import { checkOptions } from './options.ts';

const check = (options: unknown) => () =>
  checkOptions('createThing', options, {
    url: 'string',
    page: 'boolean|object',
    limit: 'number|false',
    clock: 'hidden',
    key: 'any',
  });

describe('checkOptions', () => {
  it('checkOptions accepts known options of the right type, and undefined for any of them', () => {
    for (const options of [
      {},
      { url: 'x' },
      { url: undefined },
      { page: true },
      { page: {} },
      { limit: 5 },
      { limit: false },
      { clock: 5 },
      { key: null },
    ]) {
      expect(check(options)).not.toThrow();
    }
  });

  it('checkOptions refuses an unknown option and lists the public ones', () => {
    expect(check({ uri: 'x' })).toThrow(
      'createThing has no option "uri"; its options are url, page, limit, key.',
    );
    expect(check({ toString: 1 })).toThrow('createThing has no option "toString"');
  });

  it('checkOptions refuses an option of the wrong type without quoting its value', () => {
    expect(check({ url: 5 })).toThrow('url must be a string, not number.');
    expect(check({ limit: true })).toThrow('limit must be a number or false, not boolean.');
    expect(check({ page: null })).toThrow('page must be a boolean or an object, not null.');
  });

  it('checkOptions refuses options that are not an object', () => {
    for (const options of [null, undefined, 'secret', 5]) {
      expect(check(options)).toThrow(
        expect.objectContaining({ code: 'invalid_option', message: expect.not.stringContaining('secret') }),
      );
    }
  });
});

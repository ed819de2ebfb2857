/** A schema of the chunks of an AI library: it checks only that a chunk is an object with a type. */
import type { Schema } from './schema.ts';

/**
 * Returns a schema of objects with a `type`. The library that makes the chunks knows their fields, and its newer
 * versions add types. A full check would cost more than the chunk, and would refuse the chunks of a newer version.
 */
export function chunkSchema<Chunk extends { readonly type: string }>(name: string): Schema<Chunk> {
  return {
    '~standard': {
      version: 1,
      vendor: 'linefeed',
      validate(value) {
        const type: unknown =
          typeof value === 'object' && value !== null ? (value as { type?: unknown }).type : undefined;
        if (typeof type === 'string' && type !== '') return { value: value as Chunk };
        return { issues: [{ message: `expected a ${name}: an object with a type` }] };
      },
    },
  };
}

import { defineChannel, topic } from '@linefeed/shared';
import { describe, expect, it } from 'vitest';
import * as z from 'zod';
import { Publisher } from './publisher.ts';
import { memoryLog } from './logs/memory.ts';

const publisher = new Publisher({
  channel: defineChannel({
    table: z.record(z.string(), z.unknown()),
    room: topic({ params: z.object({ name: z.string() }), data: z.string() }),
  }),
  log: memoryLog(),
  maxAddressBytes: 1_024,
  maxPayloadBytes: 1_024,
});

describe('a publish', () => {
  it('names the field that JSON does not carry by its keys, dots and all', async () => {
    await expect(publisher.publish('table', [{ 'a.b': [1n] }])).rejects.toMatchObject({
      code: 'invalid_payload',
      issues: [{ message: 'cannot be sent as JSON: a bigint', path: ['a.b', '0'] }],
    });
  });

  it('names no field where it is the whole payload', async () => {
    await expect(publisher.publish('table', [new Date(0)])).rejects.toMatchObject({
      code: 'invalid_payload',
    });
  });

  it('with params that their schema refuses rejects with its issues, and no status to answer with', async () => {
    await expect(publisher.publish('room', [{ name: 1 }, 'x'])).rejects.toMatchObject({
      code: 'invalid_params',
      status: undefined,
      issues: [{ path: ['name'] }],
    });
  });
});

import { defineChannel, topic } from '@linefeed/shared';
import { BEGINNING } from '@linefeed/shared/wire';
import { describe, expect, it } from 'vitest';
import * as z from 'zod';
import { Publisher } from './publisher.ts';
import { memoryLog } from '../log/memory-log.ts';

const publisher = new Publisher({
  channel: defineChannel({
    table: z.record(z.string(), z.unknown()),
    room: topic({ params: z.object({ name: z.string() }), data: z.string() }),
  }),
  log: memoryLog(),
  maxAddressBytes: 1_024,
  maxPayloadBytes: 1_024,
});

describe('Publisher', () => {
  it('a publish does not overtake an earlier one with a slower schema', async () => {
    const log = memoryLog();
    const slow = z.string().refine(() => new Promise<boolean>((resolve) => setImmediate(resolve, true)));
    const mixed = new Publisher({
      channel: defineChannel({ slow, quick: z.string() }),
      log,
      maxAddressBytes: 1_024,
      maxPayloadBytes: 1_024,
    });
    await Promise.all([
      mixed.publish('slow', ['1']),
      mixed.publish('quick', ['2']),
      mixed.publish('slow', ['3']),
      mixed.publish('quick', ['4']),
    ]);
    const addresses = new Map(['slow', 'quick'].map((address) => [address, BEGINNING]));
    const { events } = await log.read({ after: BEGINNING, addresses, limit: 9, maxBytes: 1_024 });
    expect(events.map(({ data }) => data)).toEqual(['"1"', '"2"', '"3"', '"4"']);
  });

  it('a field that JSON cannot represent is refused with the path of its keys', async () => {
    await expect(publisher.publish('table', [{ 'a.b': [1n] }])).rejects.toMatchObject({
      code: 'invalid_payload',
      issues: [{ message: 'cannot be sent as JSON: a bigint; send it as a string', path: ['a.b', '0'] }],
    });
  });

  it('a payload that JSON cannot represent as a whole is refused', async () => {
    await expect(publisher.publish('table', [new Date(0)])).rejects.toMatchObject({
      code: 'invalid_payload',
    });
  });

  it('a publish with invalid params rejects with the issues of the schema and without a status', async () => {
    const error: unknown = await publisher
      .publish('room', [{ name: 1 }, 'x'])
      .catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: 'invalid_params', issues: [{ path: ['name'] }] });
    expect((error as { status?: number }).status).toBeUndefined();
  });
});

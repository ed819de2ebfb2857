import { expect, test } from 'vitest';
import * as z from 'zod';
import { defineChannel } from './channel.ts';
import { validate } from './schema.ts';
import { streamChunk } from './stream-chunk.ts';
import { run } from './topic.ts';
import { uiMessageChunk } from './ui-message-chunk.ts';

test('the schemas of chunks accept every object with a type, also of types that are not known yet', () => {
  for (const schema of [uiMessageChunk, streamChunk]) {
    for (const chunk of [
      { type: 'text-delta', id: 't', delta: 'a' },
      { type: 'RUN_STARTED' },
      { type: 'new' },
    ]) {
      expect(validate(schema, chunk)).toEqual({ value: chunk });
    }
  }
});

test('the schemas of chunks refuse everything else', () => {
  for (const value of [undefined, null, 'text', 7, {}, { type: '' }, { type: 1 }, []]) {
    expect(validate(uiMessageChunk, value)).toMatchObject({
      issues: [{ message: expect.stringContaining('an object with a type') }],
    });
  }
});

test('a contract takes the schemas of chunks as the payload of a run', () => {
  const params = z.object({ chat: z.string() });
  const channel = defineChannel({
    answer: run({ params, data: uiMessageChunk }),
    other: run({ data: streamChunk }),
  });
  expect([...channel.topics.keys()]).toEqual(['answer', 'other']);
});

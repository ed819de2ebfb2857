import { createTRPCUntypedClient } from '@trpc/client';
import { expect, test } from 'vitest';
import { linefeedLink } from './linefeed-link.ts';

const link = linefeedLink({ url: 'http://localhost/events' });

test('linefeedLink refuses a client of tRPC 10, with a message that names the version it needs', () => {
  // @trpc/client 10.45 passes this runtime to each link.
  const transformer = { serialize: String, deserialize: String };
  const runtime = { transformer, combinedTransformer: { input: transformer, output: transformer } };
  expect(() => link(runtime)).toThrow(
    expect.objectContaining({
      code: 'invalid_option',
      message: expect.stringContaining('needs tRPC 11') as string,
    }),
  );
});

test('linefeedLink accepts a client of tRPC 11', () => {
  expect(() => createTRPCUntypedClient({ links: [link] })).not.toThrow();
});

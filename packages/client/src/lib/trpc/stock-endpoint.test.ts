import { LinefeedError } from '@linefeed/shared';
import { describe, expect, it } from 'vitest';
import { createScript } from '../../../test/scripted-client.ts';
import { createScriptTransport } from '../../../test/scripted-transport.ts';
import { refuseStockEndpoint } from './stock-endpoint.ts';

function start() {
  const { transport, attempts } = createScriptTransport();
  const script = createScript({ transport: refuseStockEndpoint(transport) });
  const errors: LinefeedError[] = [];
  script.client.subscribe('a', () => undefined, { onError: (error) => errors.push(error) });
  return { script, attempts, errors };
}

function statusError(body: string): LinefeedError {
  return new LinefeedError('http_status', `answered 404: ${body}`, { status: 404, body });
}

describe("an endpoint of tRPC's own handler", () => {
  it.each([
    '{"error":{"message":"No procedure found on path \\"\\"","code":-32004,"data":{"code":"NOT_FOUND"}}}',
    '[{"error":{"code":-32600,"message":"x"}}]',
    '{"error":{"json":{"message":"transformed","code":-32004}}}',
  ])("an endpoint of tRPC's own handler is recognized by its error envelope %s", async (body) => {
    const { script, attempts, errors } = start();
    await script.settle();
    attempts[0]!.lose({ error: statusError(body) });
    await script.settle();
    expect(errors.map(({ message }) => message)).toEqual([
      expect.stringContaining("/events is served by tRPC's own handler"),
    ]);
    await script.clock.advance(100_000);
    expect(attempts).toHaveLength(1);
  });

  it("an endpoint of tRPC's own handler is recognized by its first frame, and the response is closed", async () => {
    const { script, attempts, errors } = start();
    await script.settle();
    attempts[0]!.send('connected', {});
    attempts[0]!.send('message', 1);
    await script.settle();
    expect(errors).toMatchObject([{ code: 'protocol', retryable: false }]);
    expect(attempts[0]!.closed).toBe(true);
    expect(script.client.connection.getSnapshot().state).toBe('failed');
  });

  it("a refusal of another server is not taken for an endpoint of tRPC's own handler", async () => {
    const { script, attempts, errors } = start();
    await script.settle();
    attempts[0]!.lose({ error: statusError('<html>not here</html>') });
    await script.settle();
    expect(errors).toMatchObject([{ code: 'http_status', status: 404 }]);
  });

  it("a feed with a topic named connected is not taken for an endpoint of tRPC's own handler", async () => {
    const { script, attempts, errors } = start();
    await script.settle();
    attempts[0]!.hello('e.0');
    attempts[0]!.subscribed('a');
    attempts[0]!.send('connected', {}, 'e.1.0');
    expect(errors).toEqual([]);
    expect(script.client.connection.getSnapshot().state).toBe('connected');
  });
});

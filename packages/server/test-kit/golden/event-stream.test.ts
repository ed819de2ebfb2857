import { it } from 'vitest';
import { eventStream, message, type FetchEventStreamOptions } from '@linefeed/server';
import { expectRecord, Session, type Handle } from './session.ts';

function* everyKind(): Generator {
  yield 'text';
  yield 'two\nlines\r\nand\rthree\n';
  yield '';
  yield ' space';
  yield 7;
  yield null;
  yield { a: [1, 'é', null], b: { c: true } };
  yield new TextEncoder().encode('bytes ü');
  yield message('fields', { event: 'named', id: 'x1', retryMs: 250, comment: 'a\ncomment' });
  yield message({ n: 1 }, { id: 2 });
  yield message(undefined, { comment: 'only a comment' });
  yield message(undefined, { id: '' });
  yield message(undefined, { retryMs: 0 });
  yield message('', { event: 'empty' });
  yield '\u0000\ufeff\u2028data: no field';
}

it('the bytes of an event stream with every kind of value are those of the record', async () => {
  const session = new Session();
  const serve =
    (options: Partial<FetchEventStreamOptions> = {}): Handle =>
    (request) =>
      eventStream(everyKind, { request, clock: session.clock, ...options });
  await session.send(serve(), '/stream');
  await session.send(serve({ retryMs: 1_500, comment: 'hello\nthere', event: 'tick', id: 9 }), '/stream');
  await session.send(
    serve({
      status: 201,
      headers: { 'x-own': 'yes', vary: 'Cookie', 'cache-control': 'no-cache' },
      cookies: [{ name: 'a', value: 'b c', httpOnly: true, path: '/', maxAgeSeconds: 60 }],
    }),
    '/stream',
  );
  await session.send(serve(), '/stream', { method: 'HEAD' });
  await session.send(serve(), '/stream', { headers: { accept: 'text/event-stream;q=0' } });
  await session.send(
    (request) =>
      eventStream([new Date(0), { at: 1n }], {
        request,
        clock: session.clock,
        encode: (value) => (value instanceof Date ? value.toISOString() : String(value)),
      }),
    '/stream',
  );
  await session.send(
    (request) => eventStream(({ lastEventId }) => [{ lastEventId }], { request, clock: session.clock }),
    '/stream',
    { headers: { 'last-event-id': 'x7' } },
  );
  expectRecord(session, 'event-stream');
});

it('the bytes of pings and failures of an event stream are those of the record', async () => {
  const session = new Session();
  const fails =
    (options: Partial<FetchEventStreamOptions>): Handle =>
    (request) =>
      eventStream(
        function* () {
          yield 'one';
          throw Object.assign(new Error('hidden'), { retryable: true });
        },
        { request, clock: session.clock, onError: () => undefined, ...options },
      );
  await session.send(fails({}), '/stream');
  await session.send(fails({ failure: 'frame' }), '/stream');
  await session.send(fails({ failure: () => message('last', { event: 'failed' }) }), '/stream');
  await session.send(
    (request) =>
      eventStream(
        () => {
          throw new Error('hidden');
        },
        { request, clock: session.clock, onError: () => undefined },
      ),
    '/stream',
  );
  const waits =
    (ping: 'comment' | 'event'): Handle =>
    (request) =>
      eventStream(
        async function* ({ signal }) {
          yield 'one';
          await new Promise((resolve) => signal.addEventListener('abort', resolve));
        },
        { request, clock: session.clock, pingMs: 1_000, ping },
      );
  const a = await session.send(waits('comment'), '/stream');
  const b = await session.send(waits('event'), '/stream');
  await session.pass(1_000);
  await session.pass(2_000);
  await session.step('the clients leave', async () => {
    await a.leave();
    await b.leave();
  });
  expectRecord(session, 'event-stream-pings-and-failures');
});

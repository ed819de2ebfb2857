import { it, vi } from 'vitest';
import { LinefeedError } from '@linefeed/shared';
import { createBoardFeed } from './board.ts';
import { expectRecordAfterClose, list, post, Session } from './session.ts';

it('the bytes of refusals for the form of a request are those of the record', async () => {
  const session = new Session();
  const feed = createBoardFeed(session, { maxSubscriptions: 2, maxAddressBytes: 40, maxRequestBytes: 300 });
  const targets = [
    '/',
    '/eventsource',
    '/events',
    '/events/nothing',
    '/events/%E0%A4%A',
    '/events/room',
    '/events/room?name=a&floor=high',
    `/events/room?name=${'x'.repeat(40)}`,
    `/events/room?name=${'x'.repeat(400)}`,
    '/events/notice?topic=other',
    '/events/notice?from=now&from=earliest',
    '/events/notice?last_event_id=1&last_event_id=2',
    '/events/report?year=2026&key=bad!',
    '/events?topic=notice&from=earliest',
    list('notice?from=now&from=now'),
    list('notice?topic=x'),
    list('report?year=2026', 'nothing'),
    list(...Array.from({ length: 9 }, (_, n) => `room?name=${n}`)),
  ];
  for (const target of targets) await session.send(feed.handle, target);
  for (const target of ['/', '/events', '/events/nothing', '/events/room']) {
    await session.send(feed.handle, target, { method: 'HEAD' });
  }
  const bodies = [
    '',
    'no JSON',
    '[]',
    '{}',
    '{"topics":[]}',
    '{"topics":[{}]}',
    '{"topics":[{"address":"notice","from":1}]}',
    '{"topics":[{"address":"notice"}],"last_event_id":7}',
    '{"topics":[{"address":"notice?from=now"}]}',
    `{"topics":[${Array.from({ length: 9 }, () => '{"address":"notice"}').join()}]}`,
    `{"topics":[${'[],'.repeat(80)}[]]}`,
    `{"topics":"${'x'.repeat(300)}"}`,
  ];
  for (const body of bodies) await session.send(feed.handle, '/events', post(body));
  await session.send(feed.handle, '/events/notice', { method: 'DELETE' });
  await session.send(feed.handle, '/events/notice', { headers: { accept: 'text/event-stream;q=0, */*' } });
  await session.send(feed.handle, '/events/notice', { headers: { accept: 'application/json' } });
  await expectRecordAfterClose(session, feed, 'refusals-of-the-form');
});

it('the bytes of refusals for the origin and host are those of the record', async () => {
  vi.spyOn(console, 'warn').mockImplementation(() => undefined);
  const session = new Session();
  const feed = createBoardFeed(session, {
    hosts: ['feed.test'],
    cors: { origins: ['https://app.test'], headers: ['X-Tenant'], credentials: true },
    context: (_request, reply) => {
      reply.headers.set('vary', 'Cookie');
      reply.headers.append('set-cookie', 'a=1');
      reply.headers.append('set-cookie', 'b=2');
      reply.headers.set('x-own', 'yes');
    },
  });
  const headers: Array<Record<string, string>> = [
    { origin: 'https://app.test' },
    { origin: 'https://other.test' },
    { origin: 'http://feed.test' },
    { 'sec-fetch-site': 'same-site' },
    { 'sec-fetch-site': 'cross-site', origin: 'https://app.test' },
    { 'sec-fetch-site': 'same-origin' },
    { 'sec-fetch-dest': 'image' },
  ];
  for (const each of headers) await session.send(feed.handle, '/events/notice', { headers: each });
  await session.send(feed.handle, '/events/nothing', { headers: headers[0]! });
  await session.send(feed.handle, '/events/notice', { method: 'OPTIONS', headers: headers[0]! });
  await session.send(feed.handle, '/events/notice', { method: 'OPTIONS', headers: headers[1]! });
  await session.send(feed.handle, '/events/notice', { method: 'OPTIONS' });
  await session.send(feed.handle, '/events/notice', { method: 'HEAD', headers: headers[1]! });
  await session.send(feed.handle, 'http://evil.test/events/notice');
  await expectRecordAfterClose(session, feed, 'refusals-of-the-origin');
});

it('the bytes of refusals by the application are those of the record', async () => {
  const session = new Session();
  const failures: Record<string, () => unknown> = {
    unauthorized: () => new LinefeedError('unauthorized', 'app: log in', { status: 401 }),
    status: () => Object.assign(new Error('hidden'), { status: 402 }),
    exposed: () => Object.assign(new Error('app: pay'), { status: 402, expose: true }),
    limited: () => Object.assign(new Error('hidden'), { status: 429 }),
    failed: () => new Error('hidden'),
    own: () => new LinefeedError('busy', 'hidden', { status: 503 }),
  };
  const feed = createBoardFeed(session, {
    requestTimeoutMs: 2_000,
    maxConnections: 1,
    context: (request, reply) => {
      const how = request.headers.get('x-how');
      reply.headers.set('www-authenticate', 'Bearer');
      if (how === 'slow') return new Promise<object>(() => undefined);
      if (how === 'principal') return { principal: 7 as unknown as string };
      if (how !== null) throw failures[how]!();
      return {};
    },
    authorize: ({ address, params }) => {
      if (address === 'other') return false;
      if (address === 'room?floor=0&name=slow') return new Promise<boolean>(() => undefined);
      const name = (params as { name?: string } | undefined)?.name;
      if (name !== undefined) throw failures[name]!();
      return true;
    },
  });
  for (const how of [...Object.keys(failures), 'principal']) {
    await session.send(feed.handle, '/events/notice', { headers: { 'x-how': how } });
  }
  await session.send(feed.handle, '/events/notice', { method: 'HEAD', headers: { 'x-how': 'unauthorized' } });
  await session.send(feed.handle, '/events/other');
  for (const name of Object.keys(failures)) await session.send(feed.handle, `/events/room?name=${name}`);
  await session.send(feed.handle, list('other', 'room?name=failed'));
  const slow = { headers: { 'x-how': 'slow' }, passMs: 2_000 };
  await session.send(feed.handle, '/events/notice', slow);
  await session.send(feed.handle, '/events', { ...post({ topics: [{ address: 'notice' }] }), ...slow });
  await session.send(feed.handle, '/events/notice', { method: 'HEAD', ...slow });
  await session.send(feed.handle, '/events/room?name=slow', { passMs: 2_000 });
  await session.send(feed.handle, '/events/notice');
  await session.send(feed.handle, '/events/notice');
  await session.send(feed.handle, '/events', post({ topics: [{ address: 'notice' }] }));
  await session.send(feed.handle, '/events/notice', { method: 'HEAD' });
  await expectRecordAfterClose(session, feed, 'refusals-by-the-application');
});

/** URLs of logs: those that open, and the messages of those that do not. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, expect, it } from 'vitest';
import { openLog } from './open-log.ts';

const folder = mkdtempSync(join(tmpdir(), 'linefeed-open-log-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const entry = { address: 'notice', data: '{}', keep: 'all' } as const;

for (const [form, url] of [
  ['a path', join(folder, 'a.db')],
  ['a URL', `sqlite://${join(folder, 'b.db')}`],
] as const) {
  it(`openLog opens an SQLite file by ${form}, and finds its events again`, async () => {
    const first = await openLog(url, { name: 'test' });
    await first.log.append([entry]);
    await first.close();
    const second = await openLog(url, { name: 'test' });
    expect(await second.log.newest()).toMatchObject({ epoch: first.log.epoch, position: '1' });
    await second.close();
  });

  it(`openRuns of ${form} of an SQLite file opens a file beside it, and finds its records again`, async () => {
    const first = await openLog(url, { name: 'test' });
    const change = { expected: undefined, state: 'kept', count: 0, leaseMs: 0, keepMs: 60_000 };
    await (await first.openRuns(join(folder, 'other.db'))).commit('report', change);
    await first.close();
    const second = await openLog(url, { name: 'test' });
    const runs = await second.openRuns(join(folder, 'other.db'));
    expect(await runs.load('report')).toMatchObject({ state: 'kept' });
    await second.close();
    await expect(runs.load('report')).rejects.toMatchObject({ code: 'closed' });
    expect(existsSync(join(folder, 'other.db'))).toBe(false);
  });
}

it('openLog opens a memory log with the given bounds', async () => {
  const { log, close } = await openLog('memory:', { name: 'test', maxEvents: 1 });
  await log.append([entry, entry]);
  const query = { after: '0', addresses: new Map([['notice', '0']]), limit: 10, maxBytes: 1_000 };
  expect((await log.read(query)).events).toHaveLength(1);
  await close();
});

it.each([
  ['kafka://localhost', '"kafka:" is not a log. Use '],
  ['redis://', 'The URL of the log has no host. Write it as redis://localhost.'],
  ['redis', '"redis" is neither a URL nor a path. Use '],
  [
    join(folder, 'none', 'c.db'),
    `the SQLite file ${join(folder, 'none', 'c.db')} cannot be used as the log: `,
  ],
])('openLog rejects "%s" with a message that names the fault', async (url, message) => {
  await expect(openLog(url, { name: 'test' })).rejects.toThrow(message);
});

it.each([
  ['redis://me:secret@127.0.0.1:1', 'Redis at 127.0.0.1:1 cannot be used as the log: '],
  ['postgres://me:secret@127.0.0.1:1/db', 'Postgres at 127.0.0.1:1 cannot be used as the log: '],
  ['nats://me:secret@127.0.0.1:1', 'NATS at 127.0.0.1:1 cannot be used as the log: '],
])('openLog rejects %s, where nothing listens, without the password', async (url, message) => {
  const error = await openLog(url, { name: 'test' }).then(
    () => undefined,
    (reason: Error) => reason,
  );
  expect(error?.message).toContain(message);
  expect(error?.message).not.toContain('secret');
});

it('openLogOrExit ends the process with one line and exit code 1', () => {
  const program = `import { openLogOrExit } from ${JSON.stringify(pathToFileURL(join(import.meta.dirname, 'open-log.ts')))};
    await openLogOrExit('fallback.db', { name: 'test' });`;
  const { status, stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', program], {
    env: { ...process.env, LINEFEED_LOG: 'kafka://localhost' },
    encoding: 'utf8',
  });
  expect({ status, stdout, lines: stderr.trim().split('\n') }).toMatchObject({
    status: 1,
    stdout: '',
    lines: [expect.stringMatching(/^LINEFEED_LOG: "kafka:" is not a log\./)],
  });
});

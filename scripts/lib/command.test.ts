import { expect, test } from 'vitest';
import { runCommand } from './command.ts';

const node = (script: string, timeoutMs = 10_000) =>
  runCommand(process.execPath, ['-e', script], { timeoutMs });

test('a program that exits with 0 is ok, and its stdout and stderr are kept', async () => {
  const result = await node('console.log("out"); console.error("err")');
  expect(result).toMatchObject({ ok: true, stdout: 'out\n' });
  expect(result.output).toContain('err\n');
});

test('a program that exits with another code is not ok', async () => {
  expect(await node('process.exit(3)')).toMatchObject({ ok: false });
});

test('a program that hangs is killed after its time limit, with its child processes', async () => {
  const script = `
    require('node:child_process').spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'inherit' });
    setInterval(() => {}, 1000);`;
  const start = performance.now();
  const result = await node(script, 1000);
  expect(result.ok).toBe(false);
  expect(result.output).toContain('did not end within 1 s and was killed');
  // The grandchild keeps the output open for as long as it runs.
  expect(performance.now() - start).toBeLessThan(5000);
});

test('a program that is ended by a signal is not ok, and the output names the signal', async () => {
  const result = await node('process.kill(process.pid, "SIGTERM"); setInterval(() => {}, 1000)');
  expect(result).toMatchObject({ ok: false });
  expect(result.output).toContain('was ended by SIGTERM');
});

test('a program that does not exist is not ok, and the output names it', async () => {
  const result = await runCommand('/no/such/program', [], { timeoutMs: 1000 });
  expect(result).toMatchObject({ ok: false });
  expect(result.output).toContain('/no/such/program could not be started');
});

/** WebKit: WebKitGTK's MiniBrowser on a separate display, by W3C WebDriver over fetch. */
import { findProgram } from '../../../scripts/lib/find-program.ts';
import { WEBKIT, XVFB } from '../../../scripts/lib/programs.ts';
import { freePort } from '../../kit/free-port.ts';
import { startChild, temporaryFolder } from './child.ts';
import type { Engine, Tab } from './engine.ts';

const SCRIPT_TIMEOUT_MS = 250_000;

export async function openWebKit(): Promise<Engine> {
  const driverProgram = findProgram(WEBKIT);
  const displayProgram = findProgram(XVFB);
  const home = await temporaryFolder('webkit');
  const display = startChild(
    displayProgram,
    ['-displayfd', '3', '-screen', '0', '800x600x24', '-nolisten', 'tcp'],
    { descriptor: 3 },
  );
  const [number] = await display.says(/^\d+(?=\n)/m);
  const port = await freePort();
  const driver = startChild(driverProgram, [`--port=${port}`, '--host=127.0.0.1'], {
    env: {
      DISPLAY: `:${number}`,
      HOME: home.path,
      XDG_RUNTIME_DIR: home.path,
      // bubblewrap needs namespaces that root in a container does not have.
      ...(process.getuid?.() === 0 && { WEBKIT_DISABLE_SANDBOX_THIS_IS_DANGEROUS: '1' }),
    },
  });

  const call = async <T>(method: string, path: string, body?: object): Promise<T> => {
    const response = await fetch(`http://127.0.0.1:${port}${path}`, {
      method,
      ...(body && { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
    });
    const { value } = (await response.json()) as { value: T & { message?: string } };
    if (!response.ok) throw new Error(`WebKitWebDriver: ${value.message}`);
    return value;
  };
  await untilItListens(port);
  const { sessionId, capabilities } = await call<{
    sessionId: string;
    capabilities: { browserVersion: string };
  }>('POST', '/session', {
    capabilities: { alwaysMatch: { timeouts: { script: SCRIPT_TIMEOUT_MS } } },
  });
  const session = `/session/${sessionId}`;
  // The session works on one window at a time.
  let turn: Promise<unknown> = Promise.resolve();
  const at = <T>(handle: string, act: () => Promise<T>): Promise<T> => {
    const result = turn.then(async () => {
      await call('POST', `${session}/window`, { handle });
      return await act();
    });
    turn = result.catch(() => undefined);
    return result;
  };
  const tabOf = (handle: string): Tab => ({
    open: (url) =>
      at(handle, async () => {
        await call('POST', `${session}/url`, { url });
      }),
    evaluate: <T>(expression: string) =>
      at(handle, async () => {
        const script = `const done = arguments[0];
        Promise.resolve(${expression}).then((value) => done({ json: JSON.stringify([value]) }), (error) => done({ error: String(error) }))`;
        const { json, error } = await call<{ json?: string; error?: string }>(
          'POST',
          `${session}/execute/async`,
          { script, args: [] },
        );
        if (json === undefined) throw new Error(error);
        return (JSON.parse(json) as T[])[0] as T;
      }),
    close: () =>
      at(handle, async () => {
        await call('DELETE', `${session}/window`);
      }),
  });
  const first = await call<string>('GET', `${session}/window`);
  return {
    ...tabOf(first),
    name: 'webkit',
    version: `WebKitGTK ${capabilities.browserVersion}`,
    newTab: () =>
      at(first, async () => {
        const { handle } = await call<{ handle: string }>('POST', `${session}/window/new`, {
          type: 'window',
        });
        return tabOf(handle);
      }),
    async close() {
      await call('DELETE', session);
      await driver.end();
      await display.end();
      await home[Symbol.asyncDispose]();
    },
  };
}

async function untilItListens(port: number): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      await fetch(`http://127.0.0.1:${port}/status`);
      return;
    } catch (error) {
      if (attempt === 100) throw error;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
}

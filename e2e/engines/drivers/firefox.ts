/** Firefox, by WebDriver BiDi over its own WebSocket (W3C WebDriver BiDi §5 Transport). */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { findProgram } from '../../../scripts/lib/find-program.ts';
import { FIREFOX } from '../../../scripts/lib/programs.ts';
import { startChild, temporaryFolder } from './child.ts';
import type { Engine, Tab } from './engine.ts';

/** Requests to the network or the user that it would otherwise make by itself. */
const PREFERENCES: Readonly<Record<string, boolean | number | string>> = {
  'app.normandy.enabled': false,
  'app.update.enabled': false,
  'browser.aboutwelcome.enabled': false,
  'browser.safebrowsing.malware.enabled': false,
  'browser.safebrowsing.phishing.enabled': false,
  'browser.shell.checkDefaultBrowser': false,
  'browser.startup.page': 0,
  'datareporting.policy.dataSubmissionEnabled': false,
  'extensions.getAddons.cache.enabled': false,
  'extensions.systemAddon.update.enabled': false,
  'media.gmp-manager.updateEnabled': false,
  'network.captive-portal-service.enabled': false,
  'network.connectivity-service.enabled': false,
  'services.settings.server': 'data:,',
  'toolkit.telemetry.enabled': false,
};

interface Answer {
  readonly id: number;
  readonly result?: unknown;
  readonly message?: string;
}

interface Evaluated {
  readonly result?: { readonly value?: string };
  readonly exceptionDetails?: { readonly text: string };
}

export async function openFirefox(): Promise<Engine> {
  const program = findProgram(FIREFOX);
  const profile = await temporaryFolder('firefox');
  const lines = Object.entries(PREFERENCES).map(
    ([name, value]) => `user_pref(${JSON.stringify(name)}, ${JSON.stringify(value)});`,
  );
  await writeFile(join(profile.path, 'user.js'), lines.join('\n'));
  const firefox = startChild(
    program,
    ['--headless', '--no-remote', '--remote-debugging-port', '0', '--profile', profile.path, 'about:blank'],
    // Firefox refuses a home that belongs to another user, as root's often does in a container.
    { env: { HOME: profile.path } },
  );
  const [, endpoint] = await firefox.says(/WebDriver BiDi listening on (ws:\S+)/);
  const socket = new WebSocket(`${endpoint}/session`);
  await new Promise((resolve, reject) => {
    socket.addEventListener('open', resolve);
    socket.addEventListener('error', () => reject(new Error(`${endpoint} cannot be reached.`)));
  });

  let calls = 0;
  const waiting = new Map<number, PromiseWithResolvers<unknown>>();
  socket.addEventListener('message', ({ data }) => {
    const { id, result, message } = JSON.parse(String(data)) as Answer;
    const call = waiting.get(id);
    waiting.delete(id);
    if (message === undefined) call?.resolve(result);
    else call?.reject(new Error(message));
  });
  socket.addEventListener('close', () => {
    for (const { reject } of waiting.values()) reject(new Error('Firefox has gone.'));
  });
  const call = async <T>(method: string, params: object): Promise<T> => {
    calls += 1;
    const answer = Promise.withResolvers<unknown>();
    waiting.set(calls, answer);
    socket.send(JSON.stringify({ id: calls, method, params }));
    return (await answer.promise) as T;
  };

  const session = await call<{ capabilities: { browserVersion: string } }>('session.new', {
    capabilities: {},
  });
  const { contexts } = await call<{ contexts: ReadonlyArray<{ context: string }> }>(
    'browsingContext.getTree',
    {},
  );
  const tabOf = (context: string): Tab => ({
    async open(url) {
      await call('browsingContext.navigate', { context, url, wait: 'complete' });
    },
    async evaluate<T>(expression: string) {
      const { result, exceptionDetails } = await call<Evaluated>('script.evaluate', {
        expression: `Promise.resolve(${expression}).then((value) => JSON.stringify([value]))`,
        target: { context },
        awaitPromise: true,
      });
      if (exceptionDetails !== undefined) throw new Error(exceptionDetails.text);
      return (JSON.parse(result?.value ?? '[]') as T[])[0] as T;
    },
    async close() {
      await call('browsingContext.close', { context });
    },
  });
  return {
    ...tabOf(contexts[0]!.context),
    name: 'firefox',
    version: `Firefox ${session.capabilities.browserVersion}`,
    async newTab() {
      const { context } = await call<{ context: string }>('browsingContext.create', { type: 'window' });
      return tabOf(context);
    },
    async close() {
      socket.close();
      await firefox.end();
      await profile[Symbol.asyncDispose]();
    },
  };
}

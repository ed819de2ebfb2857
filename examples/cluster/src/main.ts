/** The page: follows both publishers over one connection, and draws what arrives. */
import { createClient, type Gap } from '@linefeed/client';
import type { Board, ProcessState } from '../channel.ts';
import { names, type Name } from '../names.ts';
import { bookEvent, bookGap, emptyAccount } from './account.ts';
import { createView, type Row } from './view.ts';
import './style.css';

const client = createClient<Board>({ url: '/events' });
const view = createView(kill);

let account = emptyAccount;
/** The process of the present connection, as the stream `cluster` has reported it. */
let servedBy: ProcessState | undefined;
let known: ReadonlyMap<Name, string> = new Map();

for (const by of names) {
  client.subscribe(
    'tick',
    { by },
    ({ series, n, at }, { replayed }) => {
      account = bookEvent(account, { by, series, n });
      add({ kind: 'event', by, n, replayed, delayMs: Math.max(0, Date.now() - at) });
    },
    { onGap: (gap) => announce(by, gap) },
  );
}

client.subscribe(
  'cluster',
  (state) => {
    view.showLog(state.log);
    view.showProcesses(state.processes);
    for (const { name, pid, state: now } of state.processes) {
      const text = now === 'running' ? `${name} runs as process ${pid}.` : `${name} was killed.`;
      if (known.get(name) !== text) view.tell({ kind: 'note', text });
      known = new Map([...known, [name, text]]);
    }
    const serving = state.processes.find(({ name }) => name === state.servedBy);
    if (serving === undefined || serving.pid === servedBy?.pid) return;
    servedBy = serving;
    view.tell({ kind: 'note', text: `This tab is now served by ${serving.name}.` });
    showStatus();
  },
  // The source repeats nothing: its first value is the present state.
  { restart: true },
);

client.connection.subscribe(() => {
  if (client.connection.getSnapshot().state === 'connected' || servedBy === undefined) return showStatus();
  servedBy = undefined;
  view.tell({ kind: 'note', text: 'The connection of this tab was lost.' });
  showStatus();
});

function showStatus(): void {
  const { state } = client.connection.getSnapshot();
  view.showStatus(state, servedBy);
}

function announce(by: Name, { reason }: Gap): void {
  account = bookGap(account, by);
  const text = `Gap: events of ${by} are lost (${reason}).`;
  view.tell({ kind: 'gap', text });
  add({ kind: 'gap', by, text });
}

function add(row: Row): void {
  view.add(row, account);
}

async function kill(name: Name): Promise<void> {
  const { ok, status } = await fetch(`/kill/${name}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
  });
  if (!ok) throw new Error(`The server answered ${status}.`);
}

showStatus();

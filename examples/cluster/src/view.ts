/** Draws the page. Elements that a reader can focus are made once; only their text changes. */
import type { ProcessState } from '../channel.ts';
import { names, type Name } from '../names.ts';
import type { Account } from './account.ts';

export type Row =
  | {
      readonly kind: 'event';
      readonly by: Name;
      readonly n: number;
      readonly replayed: boolean;
      readonly delayMs: number;
    }
  | { readonly kind: 'gap'; readonly by: Name; readonly text: string };

/** A line of the story. */
export interface Told {
  readonly kind: 'gap' | 'note';
  readonly text: string;
}

export interface View {
  showLog(title: string): void;
  /** `servedBy`: the process of the present connection. */
  showStatus(state: string, servedBy: ProcessState | undefined): void;
  showProcesses(processes: readonly ProcessState[]): void;
  /** Adds a row to the list of events, with the counters after it. */
  add(row: Row, account: Account): void;
  /** Adds a line to the story. */
  tell(line: Told): void;
}

const shownRows = 12;
const shownLines = 50;
const shownMarks = 72;

const counters = [
  ['received', 'Received'],
  ['missing', 'Missing'],
  ['doubled', 'Doubled'],
  ['gaps', 'Gaps announced'],
] as const;

/** `kill` is called by the buttons. */
export function createView(kill: (name: Name) => Promise<void>): View {
  const rows: Row[] = [];
  const lines: HTMLElement[] = [];
  const problem = find('problem');
  const figures = new Map(counters.map(([key]) => [key, create('dd', 'figure')]));
  find('counters').append(
    ...counters.map(([key, label]) =>
      create('div', `counter is-${key}`, create('dt', '', label), figures.get(key)!),
    ),
  );
  const cards = new Map(names.map((name) => [name, createCard(name, press)]));
  find('processes').append(...[...cards.values()].map(({ element }) => element));
  let account: Account | undefined;
  let isScheduled = false;

  async function press(name: Name): Promise<void> {
    problem.textContent = '';
    await kill(name).catch((error: Error) => {
      problem.textContent = `${name} could not be killed: ${error.message}`;
    });
  }

  /** Several events of one turn are drawn once. */
  function draw(): void {
    isScheduled = false;
    find('events').replaceChildren(...rows.slice(0, shownRows).map(toElement));
    if (account === undefined) return;
    for (const [key, figure] of figures) {
      figure.textContent = account[key].toLocaleString('en');
      figure.parentElement!.classList.toggle('is-wrong', key !== 'received' && account[key] > 0);
    }
    for (const [name, card] of cards) card.showRows(rows, account.lines[name]?.last);
  }

  return {
    showLog(title) {
      find('log').textContent = title;
    },
    showStatus(state, servedBy) {
      const status = find('status');
      const isLive = state === 'connected' && servedBy !== undefined;
      status.className = `status ${isLive ? `is-live is-${servedBy.name}` : 'is-away'}`;
      if (isLive) status.textContent = `Served by ${servedBy.name}, process ${servedBy.pid}`;
      else status.textContent = state === 'connected' ? 'Connected' : 'Connecting …';
      for (const [name, card] of cards) card.showServing(name === servedBy?.name);
    },
    showProcesses(processes) {
      for (const process of processes) cards.get(process.name)?.showState(process);
    },
    add(row, now) {
      account = now;
      rows.unshift(row);
      rows.splice(shownMarks * names.length);
      if (isScheduled) return;
      isScheduled = true;
      // A hidden page draws no frames; its list is drawn when it is shown again.
      requestAnimationFrame(draw);
    },
    tell({ kind, text }) {
      const time = create('time', '', new Date().toLocaleTimeString('en-GB'));
      lines.unshift(create('li', `is-${kind}`, time, create('span', '', text)));
      lines.splice(shownLines);
      find('story').replaceChildren(...lines);
    },
  };
}

interface Card {
  readonly element: HTMLElement;
  showState(process: ProcessState): void;
  showServing(isServing: boolean): void;
  showRows(rows: readonly Row[], newest: number | undefined): void;
}

function createCard(name: Name, press: (name: Name) => Promise<void>): Card {
  const state = create('p', 'state', 'starting');
  const serving = create('span', 'serving');
  const newest = create('p', 'newest quiet', 'No event yet');
  const marks = create('div', 'marks');
  marks.setAttribute('aria-hidden', 'true');
  const button = create('button', '', `Kill ${name}`) as HTMLButtonElement;
  button.type = 'button';
  // `disabled` would take the focus away from a reader who uses the keyboard.
  button.addEventListener('click', () => {
    if (button.ariaDisabled !== 'true') void press(name);
  });
  const head = create('div', 'card-head', create('h3', '', name), serving);
  const element = create('article', `card is-${name}`, head, state, marks, newest, button);
  return {
    element,
    showState({ pid, state: now }) {
      const isRunning = now === 'running';
      state.textContent = isRunning ? `Running, process ${pid}` : 'Killed. It starts again in some seconds.';
      element.classList.toggle('is-killed', !isRunning);
      button.ariaDisabled = String(!isRunning);
    },
    showServing(isServing) {
      serving.textContent = isServing ? 'serves this tab' : '';
      element.classList.toggle('is-serving', isServing);
    },
    showRows(rows, last) {
      if (last !== undefined) newest.textContent = `Newest event: ${last.toLocaleString('en')}`;
      const own = rows.filter((row) => row.by === name).slice(0, shownMarks);
      marks.replaceChildren(...own.toReversed().map((row) => create('i', markOf(row))));
    },
  };
}

function markOf(row: Row): string {
  return row.kind === 'event' ? (row.replayed ? 'is-replayed' : '') : 'is-gap';
}

function toElement(row: Row): HTMLElement {
  if (row.kind !== 'event') return create('li', `is-${row.kind}`, row.text);
  return create(
    'li',
    `is-${row.by}`,
    create('span', 'by', row.by),
    create('span', 'number', row.n.toLocaleString('en')),
    create('span', 'delay quiet', row.replayed ? 'replayed' : `${row.delayMs} ms`),
  );
}

function find(id: string): HTMLElement {
  return document.getElementById(id)!;
}

function create(tag: string, className: string, ...children: ReadonlyArray<Node | string>): HTMLElement {
  const element = document.createElement(tag);
  element.className = className;
  element.append(...children);
  return element;
}

/** Checks the frames of runs that a server writes to one connection. */
import type { End, RunBegin } from '@linefeed/shared/wire';
import type { RunHistory } from './run-history.ts';

export interface RunWire {
  /** The addresses that are delivered. */
  readonly names: ReadonlySet<string>;
  subscribe(address: string): void;
  /** The address has no entry any more. */
  remove(address: string): void;
  begin(begin: RunBegin, id: string): void;
  event(address: string, id: string, data: string): void;
  end(end: End, id: string): void;
}

interface RunPlace {
  readonly run: string;
  readonly n: number;
}

export function createRunWire(history: RunHistory | undefined, fail: (what: string) => void): RunWire {
  const names = new Set<string>();
  const places = new Map<string, RunPlace>();

  const readPlace = (address: string, id: string): RunPlace => {
    const [run = '', n] = id.slice(id.indexOf('~') + 1).split('.');
    if (!names.has(address)) fail(`${id} of ${address} was written without being subscribed`);
    return { run, n: Number(n) };
  };

  return {
    names,
    subscribe: (address) => void names.add(address),
    remove(address) {
      names.delete(address);
      places.delete(address);
    },
    begin({ address, run, attempt }, id) {
      const place = readPlace(address, id);
      const at = places.get(address);
      if (place.run !== run) fail(`linefeed.run of ${run} has the id ${id}`);
      // It may be earlier: an entry that starts earlier moves delivery back.
      if (at?.run === run && place.n > at.n) fail(`linefeed.run is at ${id}, and delivery was at ${at.n}`);
      if ((history?.find(address, run)?.state.attempt ?? 0) < attempt)
        fail(`attempt ${attempt} of ${run} was announced before it was recorded`);
      places.set(address, place);
    },
    event(address, id, data) {
      const place = readPlace(address, id);
      const at = places.get(address);
      if (at?.run !== place.run) fail(`${id} was written before linefeed.run`);
      else if (place.n !== at.n + 1) fail(`${id} was written after number ${at.n}`);
      if (history?.find(address, place.run)?.events[place.n - 1]?.data !== data)
        fail(`${id} was written as ${data}, which is not recorded`);
      places.set(address, place);
    },
    end({ address, run, outcome }, id) {
      const place = readPlace(address, id);
      const at = places.get(address);
      const recorded = history?.find(address, run!);
      if (outcome !== 'gone' && recorded?.state.end?.outcome !== outcome)
        fail(`${run} ended as ${outcome}, which is not recorded`);
      if (outcome !== 'gone' && place.n !== recorded!.events.length + 1)
        fail(`the end of ${run} has the id ${id} after ${recorded!.events.length} events`);
      if (outcome !== 'gone' && at?.run === run && place.n !== at!.n + 1)
        fail(`the end ${id} was written after number ${at!.n}`);
      places.set(address, place);
    },
  };
}

/** Says when to stop reading, and when to go on. */

export interface Gate {
  /** Set while somebody holds the gate; settles when nobody does. */
  readonly full: () => Promise<void> | undefined;
  readonly hold: () => void;
  readonly release: () => void;
}

export function createGate(): Gate {
  let holders = 0;
  let waiting: Promise<void> | undefined;
  let open: () => void;
  return {
    full: () => waiting,
    hold() {
      holders += 1;
      waiting ??= new Promise((resolve) => (open = resolve));
    },
    release() {
      holders -= 1;
      if (holders > 0) return;
      waiting = undefined;
      open();
    },
  };
}

/** Back-pressure: a counting lock. Reading pauses while at least one holder exists. */

export interface BackPressure {
  /** Set while there is a holder; resolves when the last one releases. */
  readonly full: () => Promise<void> | undefined;
  readonly hold: () => void;
  readonly release: () => void;
}

export function createBackPressure(): BackPressure {
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

/** Holds callers until a test lets them go. */

export interface Gate {
  /** Resolves when the gate opens. */
  readonly wait: () => Promise<true>;
  readonly open: () => void;
}

export function createGate(): Gate {
  let open: () => void = () => undefined;
  const opened = new Promise<true>((resolve) => (open = () => resolve(true)));
  return { wait: () => opened, open };
}

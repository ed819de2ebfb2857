/** Runs tasks in parallel, within the number of cores of the machine. */

export interface Task {
  /** Cores that it keeps busy. A task that needs more than there are runs alone. */
  readonly cores: number;
  /** Two tasks that write the same files never run at the same time. */
  readonly writes?: string | undefined;
}

/**
 * Starts each task as soon as its cores are free. Earlier tasks have precedence, but a task that does not fit yet does
 * not block later ones. Resolves when all have ended. Rejects with the first error, after the running tasks have ended.
 */
export async function runSideBySide<T extends Task>(
  tasks: readonly T[],
  cores: number,
  run: (task: T) => Promise<void>,
): Promise<void> {
  const waiting = [...tasks];
  const running = new Map<T, Promise<void>>();
  const errors: unknown[] = [];
  const coresOf = (task: T): number => Math.min(task.cores, cores);

  const fits = (task: T): boolean => {
    const all = [...running.keys()];
    const used = all.reduce((sum, each) => sum + coresOf(each), 0);
    const isWritten = task.writes !== undefined && all.some(({ writes }) => writes === task.writes);
    return used + coresOf(task) <= cores && !isWritten;
  };

  while (errors.length === 0) {
    const index = waiting.findIndex(fits);
    if (index >= 0) {
      const [task] = waiting.splice(index, 1) as [T];
      const ended = run(task)
        .catch((error: unknown) => void errors.push(error))
        .finally(() => running.delete(task));
      running.set(task, ended);
    } else if (running.size > 0) await Promise.race(running.values());
    else break;
  }
  await Promise.all(running.values());
  if (errors.length > 0) throw errors[0];
}

/**
 * Prints the output of tasks in the order of the tasks, whatever the order in which they end. The output of a later
 * task is held until all earlier ones have ended.
 */
export function createOrderedOutput(
  count: number,
  write: (text: string) => void,
): (index: number, text: string) => void {
  const texts = new Map<number, string>();
  let next = 0;
  return (index, text) => {
    texts.set(index, text);
    for (; next < count && texts.has(next); next += 1) write(texts.get(next)!);
  };
}

/** Merges the events of many addresses into position order, looking at no more of each than is taken. */

/** The events of one address, oldest first. */
export interface Run {
  /** Position of the next event; `Infinity`: there is none. */
  head: number;
  /** Takes the event at the head. */
  take(): void;
}

/** Takes events in order, over all runs, for as long as `accept` says so. */
export function mergeRuns<R extends Run>(runs: readonly R[], accept: (run: R) => boolean): void {
  const heap = runs.filter(({ head }) => head !== Infinity);
  for (let index = (heap.length >>> 1) - 1; index >= 0; index -= 1) sift(heap, index);
  while (heap.length > 0) {
    const run = heap[0]!;
    if (!accept(run)) return;
    run.take();
    if (run.head === Infinity) {
      const last = heap.pop()!;
      if (heap.length > 0) heap[0] = last;
    }
    sift(heap, 0);
  }
}

/** Moves a run down a binary heap until none below it has an earlier head. */
function sift(heap: Run[], start: number): void {
  let index = start;
  for (;;) {
    const left = 2 * index + 1;
    const right = left + 1;
    let first = index;
    if (left < heap.length && heap[left]!.head < heap[first]!.head) first = left;
    if (right < heap.length && heap[right]!.head < heap[first]!.head) first = right;
    if (first === index) return;
    [heap[index], heap[first]] = [heap[first]!, heap[index]!];
    index = first;
  }
}

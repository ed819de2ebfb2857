/** K-way merge of the events of many addresses in position order. It reads no more of a run than it takes. */

/** The events of one address, oldest first. */
export interface Run {
  /** Position of the next event. `Infinity`: the run has ended. */
  head: number;
  /** Takes the event at the head. */
  take(): void;
}

/** Takes events of all runs in order, while `accept` returns true. */
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

/** Moves a run down the binary heap until no run below it has an earlier head. */
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

/**
 * The real history of a log that loses events and goes on from an earlier one. Each event knows the one before it, so
 * that two histories with the same epoch stay apart. The tag of its batch makes a position unique in a world.
 */
import type { Place, Published } from './world-log.ts';

interface Node extends Published {
  readonly previous: Node | undefined;
}

/** The newest event of a history; `undefined`: it is empty. */
export type Head = Node | undefined;

export class Lineage {
  readonly history: Map<string, Map<string, Published[]>> = new Map();
  readonly #nodes = new Map<number, Node>();
  /** The last append of each event. */
  readonly #byData = new Map<string, Node>();
  readonly #known = new Map<string, Set<Node>>();
  #head: Head;

  get head(): Head {
    return this.#head;
  }

  /** The log on the server has this history now, in this epoch. */
  move(head: Head, epoch: string): void {
    this.#head = head;
    const known = this.#known.get(epoch) ?? new Set();
    const byAddress = this.history.get(epoch) ?? new Map<string, Published[]>();
    this.#known.set(epoch, known);
    this.history.set(epoch, byAddress);
    const added: Node[] = [];
    for (let node = head; node !== undefined && !known.has(node); node = node.previous) added.push(node);
    for (const node of added.toReversed()) {
      known.add(node);
      const list = byAddress.get(node.address);
      if (list === undefined) byAddress.set(node.address, [node]);
      else list.push(node);
    }
  }

  /** Appends an event. Returns whether its history has the same event already. */
  add(event: Published, epoch: string): boolean {
    const { address, data, position } = event;
    const earlier = this.#byData.get(`${address} ${data}`);
    const isAgain = earlier !== undefined && isIn(earlier, this.#head);
    const node = { ...event, previous: this.#head };
    this.#nodes.set(position, node);
    this.#byData.set(`${address} ${data}`, node);
    this.move(node, epoch);
    return isAgain;
  }

  newestOf(address: string): number {
    return this.#find((node) => node.address === address)?.position ?? 0;
  }

  /** Whether the present history has this position. A position that no event has is not known, so it is not lost. */
  contains(position: number): boolean {
    const node = this.#nodes.get(position);
    return node === undefined || isIn(node, this.#head);
  }

  countUpTo(address: string, after: Place, through: Place): number {
    let count = 0;
    let node = this.#nodes.get(through.position);
    for (; node !== undefined && node.position > after.position; node = node.previous)
      if (node.address === address) count += 1;
    return count;
  }

  isContinued(earlier: Place, later: Place): boolean {
    const from = this.#nodes.get(earlier.position);
    const to = this.#nodes.get(later.position);
    return from === undefined || to === undefined || isIn(from, to);
  }

  #find(isIt: (node: Node) => boolean): Node | undefined {
    let node = this.#head;
    while (node !== undefined && !isIt(node)) node = node.previous;
    return node;
  }
}

function isIn(event: Node, head: Head): boolean {
  let node = head;
  while (node !== undefined && node.position > event.position) node = node.previous;
  return node === event;
}

/** How many connections there may be, of all and of each principal: a place is taken in the step that finds it free. */

export interface Place {
  /** Gives it back; once is enough. */
  leave(): void;
}

export interface PlaceLimits {
  readonly maxConnections: number;
  readonly maxConnectionsPerPrincipal: number;
}

export class Places {
  readonly #limits: PlaceLimits;
  readonly #crowds = new Map<string, number>();
  #taken = 0;

  constructor(limits: PlaceLimits) {
    this.#limits = limits;
  }

  /** `undefined`: there is none. */
  take(principal: string | undefined): Place | undefined {
    const { maxConnections, maxConnectionsPerPrincipal } = this.#limits;
    if (this.#taken >= maxConnections || this.#crowdOf(principal) >= maxConnectionsPerPrincipal)
      return undefined;
    this.#count(principal, 1);
    let left = false;
    return {
      leave: () => {
        if (!left) this.#count(principal, -1);
        left = true;
      },
    };
  }

  /** How many principals are remembered. */
  get principals(): number {
    return this.#crowds.size;
  }

  #crowdOf(principal: string | undefined): number {
    return principal === undefined ? 0 : (this.#crowds.get(principal) ?? 0);
  }

  #count(principal: string | undefined, change: 1 | -1): void {
    this.#taken += change;
    if (principal === undefined) return;
    const crowd = this.#crowdOf(principal) + change;
    // A map that remembered everybody would grow with the number of visitors.
    if (crowd === 0) this.#crowds.delete(principal);
    else this.#crowds.set(principal, crowd);
  }
}

/**
 * Connection quota, in total and per principal. The check and the reservation are one synchronous step, so there is no
 * race.
 */

export interface Place {
  /** Releases the slot. Repeated calls have no effect. */
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

  /** `undefined`: no slot is free. */
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

  /** Number of principals with an entry in the map. */
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
    // Delete empty entries: otherwise the map would grow with the number of visitors.
    if (crowd === 0) this.#crowds.delete(principal);
    else this.#crowds.set(principal, crowd);
  }
}

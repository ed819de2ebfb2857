/**
 * Connection quota, in total and per principal. The check and the reservation are one synchronous step, so there is no
 * race.
 */

export interface ConnectionSlot {
  /** Releases the slot. Repeated calls have no effect. */
  release(): void;
}

export interface SlotLimits {
  readonly maxConnections: number;
  readonly maxConnectionsPerPrincipal: number;
}

export class ConnectionSlots {
  readonly #limits: SlotLimits;
  readonly #perPrincipal = new Map<string, number>();
  #taken = 0;

  constructor(limits: SlotLimits) {
    this.#limits = limits;
  }

  /** `undefined`: no slot is free. */
  take(principal: string | undefined): ConnectionSlot | undefined {
    const { maxConnections, maxConnectionsPerPrincipal } = this.#limits;
    if (this.#taken >= maxConnections || this.#countOf(principal) >= maxConnectionsPerPrincipal)
      return undefined;
    this.#count(principal, 1);
    let released = false;
    return {
      release: () => {
        if (!released) this.#count(principal, -1);
        released = true;
      },
    };
  }

  /** Number of principals with an entry in the map. */
  get principals(): number {
    return this.#perPrincipal.size;
  }

  #countOf(principal: string | undefined): number {
    return principal === undefined ? 0 : (this.#perPrincipal.get(principal) ?? 0);
  }

  #count(principal: string | undefined, change: 1 | -1): void {
    this.#taken += change;
    if (principal === undefined) return;
    const count = this.#countOf(principal) + change;
    // Delete empty entries: otherwise the map would grow with the number of identities.
    if (count === 0) this.#perPrincipal.delete(principal);
    else this.#perPrincipal.set(principal, count);
  }
}

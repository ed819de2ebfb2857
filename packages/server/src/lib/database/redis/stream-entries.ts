/** Reads the entries in the answer of XREAD for one stream. */

/** An id, and names and values of fields one after the other. */
export type StreamEntry = readonly [id: string, fields: readonly string[]];

export function streamEntries(reply: unknown): readonly StreamEntry[] {
  return (entriesIn(reply) ?? []) as StreamEntry[];
}

/** The answer of XREAD: pairs with RESP2, a map with RESP3. ioredis 6 gives the map as a flat list. */
function entriesIn(reply: unknown): unknown {
  if (Array.isArray(reply)) return Array.isArray(reply[0]) ? (reply[0] as unknown[])[1] : reply[1];
  if (reply instanceof Map) return [...(reply as Map<unknown, unknown>).values()][0];
  return typeof reply === 'object' && reply !== null ? Object.values(reply)[0] : undefined;
}

/** Ids that cannot be guessed. */

const HEX_DIGITS = new TextEncoder().encode('0123456789abcdef');
const ID_BYTES = 16;
/** Drawing random bytes takes 2 to 5 µs for any number. Bytes for this many ids are drawn at once. */
const IDS_PER_DRAW = 64;
const drawn = new Uint8Array(IDS_PER_DRAW * ID_BYTES);
let used = drawn.byteLength;

/** 128 random bits. Anyone who knows a connection's id can change its subscriptions, so ids must not be guessable. */
export function randomId(): string {
  if (used === drawn.byteLength) {
    crypto.getRandomValues(drawn);
    used = 0;
  }
  const digits: number[] = [];
  for (const end = used + ID_BYTES; used < end; used += 1) {
    const byte = drawn[used]!;
    digits.push(HEX_DIGITS[byte >> 4]!, HEX_DIGITS[byte & 15]!);
  }
  // Created in one call: a string built from parts keeps the parts in memory, 800 bytes.
  return String.fromCharCode(...digits);
}

/** Formats numbers and times, the same everywhere on the page. */

const clock = new Intl.DateTimeFormat(undefined, {
  hour: '2-digit',
  minute: '2-digit',
  second: '2-digit',
  hour12: false,
});
const shortClock = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit', hour12: false });
const whole = new Intl.NumberFormat('en', { maximumFractionDigits: 0 });

const price = new Intl.NumberFormat('en', { minimumFractionDigits: 2, maximumFractionDigits: 2 });
const signed = new Intl.NumberFormat('en', {
  minimumFractionDigits: 2,
  maximumFractionDigits: 2,
  signDisplay: 'exceptZero',
});

export function toClock(time: number): string {
  return clock.format(time);
}

export function toShortClock(time: number): string {
  return shortClock.format(time);
}

export function toCount(value: number): string {
  return whole.format(value);
}

export function toPrice(value: number): string {
  return price.format(value);
}

export function toSigned(value: number): string {
  return signed.format(value).replace('-', '−');
}

/** A duration: `4 ms`, `1.2 s`, `12 s`, `3 min 04 s`. */
export function toDuration(ms: number): string {
  if (ms < 0) return '0 ms';
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  if (ms < 9_950) return `${(ms / 1_000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1_000);
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ${String(seconds % 60).padStart(2, '0')} s`;
  return `${Math.floor(minutes / 60)} h ${String(minutes % 60).padStart(2, '0')} min`;
}

/** Draws bars as SVG: one group for each variant, one bar for each contender, its spread as a thin line. */
import { formatNumber } from './numbers.ts';

export interface Bar {
  readonly label: string;
  readonly value: number;
  readonly low: number;
  readonly high: number;
  readonly own: boolean;
}

export interface Group {
  readonly title: string;
  readonly bars: readonly Bar[];
}

const WIDTH = 760;
const LABEL = 170;
const VALUE = 90;
const ROW = 20;
const HEAD = 26;

/** `unit` follows every value. Bars of a group share a linear scale. */
export function drawBars(title: string, unit: string, groups: readonly Group[]): string {
  let y = 34;
  const parts: string[] = [];
  for (const group of groups) {
    parts.push(text(12, y + 14, group.title, 'font-weight="600"'));
    y += HEAD;
    const most = Math.max(...group.bars.map(({ high }) => high));
    const scale = (value: number): number => (value / most) * (WIDTH - LABEL - VALUE);
    for (const { label, value, low, high, own } of group.bars) {
      parts.push(
        text(LABEL - 8, y + 13, label, `text-anchor="end"${own ? ' font-weight="600"' : ''}`),
        `<rect x="${LABEL}" y="${y + 3}" width="${scale(value).toFixed(1)}" height="${ROW - 6}" fill="${own ? '#c2410c' : '#94a3b8'}"/>`,
        `<path d="M${(LABEL + scale(low)).toFixed(1)} ${y + 10}H${(LABEL + scale(high)).toFixed(1)}" stroke="#1e293b" stroke-width="1.5"/>`,
        text(LABEL + scale(high) + 6, y + 14, `${formatNumber(value)} ${unit}`, ''),
      );
      y += ROW;
    }
    y += 10;
  }
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${y}" viewBox="0 0 ${WIDTH} ${y}" font-family="system-ui, sans-serif" font-size="12" fill="#1e293b">
<rect width="100%" height="100%" fill="#ffffff"/>
${text(12, 20, title, 'font-size="14" font-weight="600"')}
${parts.join('\n')}
</svg>
`;
}

function text(x: number, y: number, content: string, attributes: string): string {
  const safe = content.replaceAll(/[*`]/g, '').replaceAll('&', '&amp;').replaceAll('<', '&lt;');
  return `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" ${attributes}>${safe}</text>`;
}

import { defineChannel,topic } from '@linefeed/shared';
import { z } from 'zod';
import { createHooks } from './hooks.ts';
const board = defineChannel({
  price: topic({ params: z.object({ symbol: z.string(), depth: z.number().default(1) }), data: z.object({ bid: z.number() }), keep: 'latest' }),
});
const { useTopic } = createHooks<typeof board>();
const a: { x: 1 } = useTopic('price', { params: { symbol: 'x' }, select: (price) => price.bid });
const b: { x: 1 } = useTopic('price', { params: { symbol: 'x' }, select: (price) => { const c: {x:1} = price; return c; } });

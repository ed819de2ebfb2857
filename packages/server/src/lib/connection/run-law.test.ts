import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { after, entries, post } from '../../../test-kit/feed-bench.ts';
import { createRunBench, LEASE_MS, type RunBench, type TestProducer } from '../../../test-kit/run-bench.ts';
import type { Tap } from '../../../test-kit/tap.ts';

const ADDRESS = 'answer?chat=1';

/** The events and the ends of runs as bytes, without the first part of their ids. */
function recordedFrames(tap: Tap): string[] {
  return tap.text
    .split('\n\n')
    .filter(
      (block) =>
        block.includes(`\nevent: ${ADDRESS}\n`) ||
        block.includes('linefeed.end\ndata: {"address":"answer?chat=1","run":'),
    )
    .map((block) => block.replace(/^id: [^~]*~/, 'id: ~'));
}

function idOf(frame: string): string {
  return /^id: (~.+)\n/.exec(frame)![1]!;
}

/** Each form in which a client resumes. */
const FORMS: ReadonlyArray<(bench: RunBench<undefined>, id: string, roomBytes: number) => Promise<Tap>> = [
  (bench, id, roomBytes) => bench.open(`/events/${ADDRESS}`, after(id), { roomBytes }),
  (bench, id, roomBytes) => bench.open(`/events/${ADDRESS}&from=${id}`, {}, { roomBytes }),
  (bench, id, roomBytes) => bench.open(`/events/${ADDRESS}&from=${id.slice(1)}`, {}, { roomBytes }),
  (bench, id, roomBytes) =>
    bench.open(entries('notice', `${ADDRESS}&key=a&from=${id}`, 'tick?key=b'), {}, { roomBytes }),
  (bench, id, roomBytes) => {
    const topics = [
      { address: ADDRESS, key: 'a', from: id },
      { address: 'job', key: 'b' },
      { address: 'notice' },
    ];
    return bench.open('/events', post({ topics }), { roomBytes });
  },
  async (bench, id, roomBytes) => {
    const tap = await bench.open('/events/notice', {}, { roomBytes });
    await bench.control(tap, { add: [{ address: ADDRESS, key: 'a', from: id }] });
    return tap;
  },
];

type Step =
  | { readonly type: 'append'; readonly sizes: readonly number[] }
  | {
      readonly type: 'end';
      readonly outcome: 'done' | 'stopped' | 'failed';
      readonly sizes: readonly number[];
    }
  | { readonly type: 'continue' }
  | { readonly type: 'publish' }
  | { readonly type: 'take' }
  | { readonly type: 'resume'; readonly at: number; readonly form: number; readonly roomBytes: number };

const sizes = fc.array(fc.integer({ min: 0, max: 3_000 }), { minLength: 1, maxLength: 4 });
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ type: fc.constant('append' as const), sizes }) },
  {
    weight: 1,
    arbitrary: fc.record({
      type: fc.constant('end' as const),
      outcome: fc.constantFrom('done' as const, 'stopped' as const, 'failed' as const),
      sizes: fc.oneof(sizes, fc.constant([])),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.constantFrom<Step>({ type: 'continue' }, { type: 'publish' }, { type: 'take' }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      type: fc.constant('resume' as const),
      at: fc.nat(),
      form: fc.nat({ max: FORMS.length - 1 }),
      roomBytes: fc.constantFrom(Infinity, 700, 5_000),
    }),
  },
);

/** Values of these lengths, each with a number of its own and with characters of several bytes. */
function valuesOf(lengths: readonly number[], next: () => number): string[] {
  return lengths.map((length) => `${next()} ${'é\n~.'.repeat(length / 4)}`);
}

async function run(steps: readonly Step[]): Promise<void> {
  const bench = createRunBench({ stallTimeoutMs: false, maxDurationMs: false });
  const { clock, feed } = bench;
  const whole = await bench.open(`/events/${ADDRESS}`);
  const producer: TestProducer = bench.producer(ADDRESS);
  let number = 0;
  const next = (): number => (number += 1);
  let isRunning = false;
  const begin = async (): Promise<void> => {
    if (!isRunning) await producer.start({ key: `run ${next()}`, attempts: 50 });
    isRunning = true;
  };
  const readers: Array<{ readonly tap: Tap; readonly first: readonly string[] }> = [];
  for (const each of steps) {
    const frames = recordedFrames(whole);
    if (each.type === 'append') {
      await begin();
      await producer.append(...valuesOf(each.sizes, next));
    } else if (each.type === 'end') {
      await begin();
      const error = each.outcome === 'failed' ? { code: 'x', message: 'y' } : undefined;
      await producer.end(
        { outcome: each.outcome, error, result: { n: next() } },
        ...valuesOf(each.sizes, next),
      );
      isRunning = false;
    } else if (each.type === 'continue') {
      if (!isRunning) continue;
      await clock.advance(LEASE_MS + 1);
      await producer.start({ key: producer.key, attempts: 50 });
    } else if (each.type === 'publish') await feed.publish('notice', { text: 'x' });
    else if (each.type === 'take') for (const { tap } of readers) await bench.take(tap);
    else if (frames.length > 0) {
      const first = frames.slice(0, 1 + (each.at % frames.length));
      const tap = await FORMS[each.form]!(bench, idOf(first.at(-1)!), each.roomBytes);
      readers.push({ tap, first });
    }
  }
  const expected = recordedFrames(whole);
  for (const { tap, first } of readers) {
    await bench.takeAll(tap);
    expect([...first, ...recordedFrames(tap)]).toEqual(expected);
  }
  for (let k = 0; k < expected.length; k += 1) {
    const tap = await FORMS[k % FORMS.length]!(bench, idOf(expected[k]!), Infinity);
    expect(recordedFrames(tap)).toEqual(expected.slice(k + 1));
  }
  expect(bench.errors).toEqual([]);
  await feed.close();
}

test('for every k, events 0 to k of a run and a resume from k are the whole run, live and after its end', async () => {
  await fc.assert(fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 30 }), run), { numRuns: 30 });
});

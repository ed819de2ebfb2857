/** A model without a network: it answers each question with the same text, word by word. */
import { MockLanguageModelV4, simulateReadableStream } from 'ai/test';

const TEXT = `A lighthouse shows the same light to every ship. A ship that arrives late sees what the first ship saw. A ship
that loses it in the rain looks up again, and the light is where it was. It needs no second request, and it does not stop
when one of its readers goes below deck. This answer is like that light. Reload the page: the answer is here, whole, and
it continues. Open it in a second tab: both tabs show the same words. Press Stop in one of them, and it stops in both.
Kill the server in the middle, and both pages show that the light went out.`;

/** Milliseconds between two words. */
const PACE_MS = Number(process.env['PACE_MS'] ?? 120);

const USAGE = {
  inputTokens: { total: 1, noCache: 1, cacheRead: undefined, cacheWrite: undefined },
  outputTokens: { total: 1, text: 1, reasoning: undefined },
};

export const model = new MockLanguageModelV4({
  doStream: async () => ({
    stream: simulateReadableStream({
      chunkDelayInMs: PACE_MS,
      chunks: [
        { type: 'text-start' as const, id: 'text' },
        ...TEXT.split(/(?<=\s)/).map((delta) => ({ type: 'text-delta' as const, id: 'text', delta })),
        { type: 'text-end' as const, id: 'text' },
        { type: 'finish' as const, finishReason: { unified: 'stop' as const, raw: 'stop' }, usage: USAGE },
      ],
    }),
  }),
});

/** The input of a subscription as it was sent. It includes the last event id if the procedure's parsers accept one. */
import { TRPCError, type AnyTRPCProcedure, type TRPCCombinedDataTransformer } from '@trpc/server';

export interface Input {
  /** Like tRPC's `getRawInput`. */
  readonly read: () => Promise<unknown>;
  /** The input that was read; `undefined` before the first read. */
  readonly result: () => unknown;
  /** The input with a last event id. `undefined` if the input is not an object. */
  readonly resumed: (lastEventId: string) => Promise<Record<string, unknown> | undefined>;
  /** From now on, `read` returns the input with this last event id. */
  readonly resume: (lastEventId: string) => void;
}

/** `text`: JSON of the transformed input. If it is absent, the input is `undefined`. */
export function createInput(text: string | undefined, transformer: TRPCCombinedDataTransformer): Input {
  let sent: Promise<unknown> | undefined;
  let seen: unknown;
  let lastEventId: string | undefined;

  const readSent = (): Promise<unknown> =>
    (sent ??= Promise.resolve().then(() => {
      if (text === undefined) return undefined;
      try {
        return transformer.input.deserialize(JSON.parse(text)) as unknown;
      } catch (cause) {
        throw new TRPCError({
          code: 'PARSE_ERROR',
          message: 'The input of a subscription must be JSON.',
          cause,
        });
      }
    }));
  const resumed: Input['resumed'] = async (id) => {
    const value = await readSent();
    if (value === undefined || value === null) return { lastEventId: id };
    return typeof value === 'object' && !Array.isArray(value) ? { ...value, lastEventId: id } : undefined;
  };

  return {
    async read() {
      seen = lastEventId === undefined ? await readSent() : await resumed(lastEventId);
      return seen;
    },
    result: () => seen,
    resumed,
    resume(id) {
      lastEventId = id;
    },
  };
}

/**
 * Whether every parser of a procedure accepts this input. `false` without parsers, because nothing would read the id.
 */
export async function acceptsInput(
  procedure: AnyTRPCProcedure | null,
  input: Record<string, unknown> | undefined,
): Promise<boolean> {
  const parsers: readonly unknown[] = procedure?._def.inputs ?? [];
  if (input === undefined || parsers.length === 0) return false;
  for (const parser of parsers) {
    if (!(await accepts(parser, input))) return false;
  }
  return true;
}

/** The kinds of parser that tRPC accepts, in its order. */
interface Parser {
  readonly parseAsync?: (input: unknown) => unknown;
  readonly parse?: (input: unknown) => unknown;
  readonly validateSync?: (input: unknown) => unknown;
  readonly create?: (input: unknown) => unknown;
  readonly assert?: (input: unknown) => unknown;
  readonly '~standard'?: { validate(input: unknown): unknown };
}

async function accepts(parser: unknown, input: unknown): Promise<boolean> {
  try {
    const known = parser as Parser;
    if (typeof parser === 'function' && typeof known.assert === 'function') {
      known.assert(input);
    } else if (typeof parser === 'function' && known['~standard'] === undefined) await parser(input);
    else if (known.parseAsync !== undefined) await known.parseAsync(input);
    else if (known.parse !== undefined) await known.parse(input);
    else if (known.validateSync !== undefined) known.validateSync(input);
    else if (known.create !== undefined) known.create(input);
    else if (known.assert !== undefined) known.assert(input);
    else if (known['~standard'] !== undefined) {
      const result = (await known['~standard'].validate(input)) as { issues?: unknown };
      return result.issues === undefined;
    }
    return true;
  } catch {
    return false;
  }
}

/** The request of a client of TanStack AI: its run, and the offset from which it resumes. */

export interface ResumeRequest {
  /** The offset of the last chunk that the client has, `-1` for all chunks, or `now`. `undefined`: there is none. */
  readonly offset: string | undefined;
  /** The id that the client gave the run. */
  readonly runId: string | undefined;
  /** Whether the request may start a run. A GET only joins one. */
  readonly mayStart: boolean;
}

export function readResumeRequest(request: Request): ResumeRequest {
  const { searchParams } = new URL(request.url);
  const offset = request.headers.get('last-event-id') || searchParams.get('offset');
  const runId = request.headers.get('x-run-id') || searchParams.get('runId');
  return {
    offset: offset ?? undefined,
    runId: runId ?? undefined,
    mayStart: offset === null && request.method === 'POST',
  };
}

/** Reads the body of a POST within its bounds of time and size. */
import { refusal } from '@linefeed/shared/wire';
import type { HttpRequest } from '../http/http.ts';
import type { TimeLimit } from './time-limit.ts';

export interface BodyReaderOptions {
  readonly maxRequestBytes: number;
  readonly withinTime: TimeLimit;
  readonly onError: (error: unknown) => void;
}

/** @throws LinefeedError (as a rejection) `bad_request`, `payload_too_large`, `timeout` */
export type BodyReader = (request: HttpRequest) => Promise<string>;

/** Reports only the first body that other code has consumed: all later ones fail in the same way. */
export function createBodyReader({ maxRequestBytes, withinTime, onError }: BodyReaderOptions): BodyReader {
  let isReported = false;
  return async (request) => {
    const body = await withinTime(request.text(maxRequestBytes));
    if (typeof body === 'string') return body;
    const error = refusal(
      'bad_request',
      `The body of this POST was read before the feed got the request. ${body.remedy}`,
    );
    if (!isReported) onError(error);
    isReported = true;
    throw error;
  };
}

import { expect, it } from 'vitest';
import { watchPage } from './page-lifecycle.ts';

it('watchPage does nothing where there is no page', () => {
  const stop = watchPage(() => expect.unreachable());
  stop();
});

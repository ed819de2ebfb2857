import { expect, it } from 'vitest';
import { watchPage } from './page.ts';

it('hears nothing and throws nothing where there is no page', () => {
  const stop = watchPage(() => expect.unreachable());
  stop();
});

import { askDirectly } from './client.ts';
import { describeServer } from './suite.ts';

describeServer('a bare fetch handler', async (app) => ({
  origin: 'http://bare.test',
  ask: askDirectly((request) => app.fetch(request)),
  close: () => undefined,
}));

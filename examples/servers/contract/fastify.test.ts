import { fastify } from 'fastify';
import { describeServer } from './suite.ts';

describeServer('Fastify 5', async (app) => {
  const server = fastify({ forceCloseConnections: true });
  server.all('/*', (request, reply) => {
    reply.hijack();
    app.node(request.raw, reply.raw);
  });
  return { origin: await server.listen({ port: 0 }), close: () => server.close() };
});

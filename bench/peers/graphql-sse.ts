/** graphql-sse: a subscription over an async iterator, in distinct connections mode. */
import { EventEmitter, on } from 'node:events';
import { createServer } from 'node:http';
import { GraphQLFloat, GraphQLObjectType, GraphQLSchema, GraphQLString } from 'graphql';
import { createHandler } from 'graphql-sse/lib/use/http';
import type { Contender, Payload } from '../lib/contender.ts';
import { listen } from '../lib/listen.ts';

export async function start(): Promise<Contender> {
  const emitter = new EventEmitter().setMaxListeners(0);
  let open = 0;
  const news = new GraphQLObjectType({
    name: 'News',
    fields: { n: { type: GraphQLFloat }, text: { type: GraphQLString } },
  });
  const schema = new GraphQLSchema({
    query: new GraphQLObjectType({ name: 'Query', fields: { hello: { type: GraphQLString } } }),
    subscription: new GraphQLObjectType({
      name: 'Subscription',
      fields: {
        news: {
          type: news,
          subscribe: async function* () {
            open += 1;
            try {
              for await (const [payload] of on(emitter, 'news') as AsyncIterable<[Payload]>)
                yield { news: payload };
            } finally {
              open -= 1;
            }
          },
        },
      },
    }),
  });
  const handler = createHandler({ schema });
  const server = createServer((req, res) => {
    void handler(req, res);
  });
  return {
    port: await listen(server),
    request: {
      method: 'POST',
      path: '/',
      body: JSON.stringify({ query: 'subscription { news { n text } }' }),
    },
    subscribers: () => open,
    publish: (payloads) => {
      for (const payload of payloads) emitter.emit('news', payload);
    },
  };
}

/** A Redis server, or the way to it, is away while two feed processes publish: by each library. */
import { describeOutages } from './outages.ts';

describeOutages('node-redis');
describeOutages('ioredis');
describeOutages('iovalkey');

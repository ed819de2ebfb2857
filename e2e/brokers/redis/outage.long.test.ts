/** A Redis server, or the way to it, is away while two feed processes publish: by the other libraries. */
import { describeOutages } from './outages.ts';

describeOutages('ioredis');
describeOutages('iovalkey');

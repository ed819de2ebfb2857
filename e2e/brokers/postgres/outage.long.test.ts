/** A PostgreSQL server, or the way to it, is away while two feed processes publish: by the other library. */
import { describeOutages } from './outages.ts';

describeOutages('postgres');

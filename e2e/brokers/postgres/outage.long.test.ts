/** A PostgreSQL server, or the way to it, is away while two feed processes publish: by each library. */
import { describeOutages } from './outages.ts';

describeOutages('pg');
describeOutages('postgres');

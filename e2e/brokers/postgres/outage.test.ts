/** A PostgreSQL server, or the way to it, is away while two feed processes publish. */
import { describeOutages } from './outages.ts';

describeOutages('pg');

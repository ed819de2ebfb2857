/** The trigger that numbers the rows of the outbox in the order of the commits. */
import type { Names } from './tables.ts';

/**
 * A deferred trigger runs within the COMMIT, before the transaction releases its locks: of two transactions, the one
 * whose COMMIT begins after the end of the other's has the greater numbers. A savepoint that is rolled back takes its
 * triggers with it. It runs as the owner of the tables: the role of a transaction at its COMMIT may be any.
 */
export function commitOrder(t: Names): string {
  return `
CREATE OR REPLACE FUNCTION ${t.commit}() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $commit$
BEGIN
  INSERT INTO ${t.committed} (outbox_id) VALUES (NEW.id);
  RETURN NULL;
END $commit$;
-- Another role may not attach it to a table of its own.
REVOKE ALL ON FUNCTION ${t.commit}() FROM PUBLIC;
DROP TRIGGER IF EXISTS linefeed_commit ON ${t.outbox};
CREATE CONSTRAINT TRIGGER linefeed_commit AFTER INSERT ON ${t.outbox}
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION ${t.commit}();
`;
}

/** The functions of a store of runs in PostgreSQL. A call is one statement, so one transaction. */
import { SETTINGS } from '../../database/postgres/names.ts';
import type { RunNames } from './run-tables.ts';

/** A commit waits at most this long for another one of the same record. Then its process repeats it. */
const LOCK_TIMEOUT = `SET lock_timeout = '4s'`;
/** Events that one call deletes, and records and series that it looks at. */
const SWEEP_EVENTS = 1_000;
const SWEEP_ROWS = 50;

/** The clock of the server, in milliseconds since 1970. */
export const NOW_MS = `(extract(epoch FROM clock_timestamp()) * 1000)::bigint`;

export function runFunctions(t: RunNames): string {
  return [discard(t), commit(t), read(t), sweep(t)].join('');
}

/** Deletes a record that the caller has locked. */
function discard(t: RunNames): string {
  return `
CREATE OR REPLACE FUNCTION ${t.discard}(record_id bigint) RETURNS void LANGUAGE plpgsql AS $discard$
BEGIN
  UPDATE ${t.series} SET record = NULL WHERE record = record_id;
  DELETE FROM ${t.record} WHERE id = record_id;
END $discard$;
`;
}

/** Answer: the new version; NULL if the version is not the expected one. */
function commit(t: RunNames): string {
  return `
CREATE OR REPLACE FUNCTION ${t.commit}(record_key text, expected bigint, new_state text, new_count bigint, lease bigint,
  keep bigint, drops text[], run_id text, after bigint, events text[])
RETURNS bigint LANGUAGE plpgsql ${SETTINGS} ${LOCK_TIMEOUT} AS $commit$
DECLARE r ${t.record}; s bigint; micros bigint; now_ms bigint; new_version bigint; new_due integer;
BEGIN
  SELECT * INTO r FROM ${t.record} WHERE key = record_key FOR UPDATE;
  -- After the wait for the lock.
  micros := (extract(epoch FROM clock_timestamp()) * 1000000)::bigint;
  now_ms := micros / 1000;
  IF r.expires <= now_ms THEN
    PERFORM ${t.discard}(r.id);
    r := NULL;
  END IF;
  IF r.version IS DISTINCT FROM expected THEN RETURN NULL; END IF;
  -- Later than any version of another copy of the record, and of a record that was deleted.
  new_version := greatest(coalesce(r.version, 0) + 1, micros);
  new_due := (now_ms + keep) / 60000 + 1;
  IF r.id IS NULL THEN
    INSERT INTO ${t.record} (key, version, state, count, lease_end, expires, due)
    VALUES (record_key, new_version, new_state, new_count, now_ms + lease, now_ms + keep, new_due)
    ON CONFLICT DO NOTHING RETURNING id INTO r.id;
    IF r.id IS NULL THEN RETURN NULL; END IF;
  ELSE
    UPDATE ${t.record} SET version = new_version, state = coalesce(new_state, state), count = new_count,
      lease_end = now_ms + lease, expires = now_ms + keep, due = new_due
    WHERE id = r.id;
  END IF;
  IF cardinality(drops) > 0 THEN
    UPDATE ${t.series} SET record = NULL WHERE record = r.id AND run = ANY (drops);
  END IF;
  IF cardinality(events) > 0 THEN
    SELECT id INTO s FROM ${t.series} WHERE record = r.id AND run = run_id;
    IF s IS NULL THEN INSERT INTO ${t.series} (record, run) VALUES (r.id, run_id) RETURNING id INTO s; END IF;
    INSERT INTO ${t.event} (series, number, data)
    SELECT s, after + e.n, e.data FROM unnest(events) WITH ORDINALITY AS e(data, n);
  END IF;
  RETURN new_version;
END $commit$;
`;
}

/** The events of a run after a number, up to the one that reaches a limit. */
function read(t: RunNames): string {
  return `
CREATE OR REPLACE FUNCTION ${t.read}(record_key text, run_id text, after bigint, most bigint, room bigint)
RETURNS SETOF text LANGUAGE plpgsql STABLE ${SETTINGS} AS $read$
DECLARE s bigint; e record;
BEGIN
  SELECT x.id INTO s FROM ${t.record} r JOIN ${t.series} x ON x.record = r.id
  WHERE r.key = record_key AND r.expires > ${NOW_MS} AND x.run = run_id;
  FOR e IN SELECT data FROM ${t.event} WHERE series = s AND number > after ORDER BY number LIMIT most LOOP
    RETURN NEXT e.data;
    room := room - octet_length(e.data);
    EXIT WHEN room <= 0;
  END LOOP;
END $read$;
`;
}

/** Deletes some of what is past its time. Answer: whether more may be left. */
function sweep(t: RunNames): string {
  return `
CREATE OR REPLACE FUNCTION ${t.sweep}() RETURNS boolean LANGUAGE plpgsql ${SETTINGS} AS $sweep$
DECLARE r record; rows bigint := ${SWEEP_EVENTS}; deleted bigint; looked integer := 0;
BEGIN
  FOR r IN SELECT id FROM ${t.record} WHERE due <= ${NOW_MS} / 60000 ORDER BY due LIMIT ${SWEEP_ROWS}
    FOR UPDATE SKIP LOCKED
  LOOP
    PERFORM ${t.discard}(r.id);
    looked := looked + 1;
  END LOOP;
  FOR r IN SELECT id FROM ${t.series} WHERE record IS NULL ORDER BY id LIMIT ${SWEEP_ROWS} FOR UPDATE SKIP LOCKED LOOP
    DELETE FROM ${t.event} WHERE series = r.id AND number <= (
      SELECT max(x.number) FROM (SELECT number FROM ${t.event} WHERE series = r.id ORDER BY number LIMIT rows) x);
    GET DIAGNOSTICS deleted = ROW_COUNT;
    rows := rows - deleted;
    -- The limit was reached, so there may be more events.
    IF rows <= 0 THEN RETURN true; END IF;
    DELETE FROM ${t.series} WHERE id = r.id;
    looked := looked + 1;
  END LOOP;
  RETURN looked >= ${SWEEP_ROWS};
END $sweep$;
`;
}

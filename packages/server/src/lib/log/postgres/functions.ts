/** The functions of a log in PostgreSQL that change it. A call of an entry point is one statement, so one transaction. */
import { MAX_WATERMARKS } from '../bounds.ts';
import { PLANNED, PLANNED_NAMES, putFunctions } from './put-functions.ts';
import { regclass, SETTINGS } from '../../database/postgres/names.ts';
import { BATCHES, TAGS, type Names } from './tables.ts';

/** Events that one step of an eviction reads, and steps of one call. So many fewer than the bound may be held. */
const EVICT_ROWS = 500;
const EVICT_STEPS = 16;
/** When the list of forgettable addresses exceeds its limit, so many more are removed at once. */
const FORGET_ADDRESSES = MAX_WATERMARKS / 10;
/** Batches that are removed at once. */
const FORGET_BATCHES = 256;
/** Events and UTF-16 code units that the mover takes from the outbox at once. */
const MOVE_ROWS = 500;
const MOVE_UNITS = 1024 * 1024;

/** A writer waits at most this long for another one. Then its process is told to repeat. */
const LOCK_TIMEOUT = `SET lock_timeout = '4s'`;
const BOUNDS = 'now_ms bigint, max_events bigint, max_bytes bigint, max_age bigint';

const HEAD_COLUMNS =
  'epoch, parent, newest, evicted, trimmed, forgotten, unchecked, events, bytes, value_events, value_bytes, idle, batches';
const save = (t: Names): string =>
  `UPDATE ${t.head} SET (${HEAD_COLUMNS}) = ROW (${HEAD_COLUMNS.replaceAll(/\w+/g, 'h.$&')});`;
const LOCK = (t: Names): string => `SELECT * INTO STRICT h FROM ${t.head} FOR UPDATE;`;
const NOW = `now_ms := coalesce(now_ms, (extract(epoch FROM clock_timestamp()) * 1000)::bigint);`;
const EVICT = (t: Names): string => `h := ${t.evict}(h, now_ms, max_events, max_bytes, max_age);`;
const RENEW = (t: Names): string =>
  `IF ${t.lost}(h, known_epoch, known) THEN h.parent := h.epoch; h.epoch := next_epoch; END IF;`;
const NOTIFY = (t: Names): string =>
  `IF hint AND h.newest <> origin THEN PERFORM pg_notify('lf_' || ${regclass(t.head)}::oid, h.newest::text); END IF;`;

export function writeFunctions(t: Names): string {
  return [putFunctions(t), evict(t), append(t), move(t), age(t), renew(t)].join('');
}

/** Evicts events over the bounds, in bounded steps. The caller holds the lock on the head, and saves it. */
function evict(t: Names): string {
  /** Deletes the oldest rows through a position, and marks their addresses. */
  const remove = (table: string, trimmed: string, events: string, bytes: string): string => `
    WITH d AS (
      DELETE FROM ${table} WHERE position > ${trimmed} AND position <= through RETURNING position, address, bytes
    ), m AS (
      SELECT address, count(*) AS count, sum(bytes) AS bytes, max(position) AS position FROM d GROUP BY address
    ), a AS (
      UPDATE ${t.address} a SET evicted = greatest(a.evicted, m.position),
        ${table === t.event ? 'held = a.held - m.count' : 'value = 0'}
      FROM m WHERE a.id = m.address RETURNING m.count, m.bytes, a.held = 0 AND a.value = 0 AS idle
    )
    SELECT coalesce(sum(count), 0) AS count, coalesce(sum(bytes), 0) AS bytes, count(*) FILTER (WHERE idle) AS idle
    INTO gone FROM a;
    ${events} := ${events} - gone.count;
    ${bytes} := ${bytes} - gone.bytes;
    h.evicted := greatest(h.evicted, through);
    h.idle := h.idle + gone.idle;`;
  /** Sets \`through\` to the last of the oldest rows that are all over a bound. */
  const find = (table: string, trimmed: string, events: string, bytes: string, aged: string): string => `
    through := NULL; rows := ${events} - keep_events; size := ${bytes} - keep_bytes;
    FOR o IN SELECT * FROM ${table} WHERE position > ${trimmed} ORDER BY position LIMIT ${EVICT_ROWS} LOOP
      EXIT WHEN NOT (rows > 0 OR size > 0${aged});
      rows := rows - 1; size := size - o.bytes; through := o.position;
    END LOOP;
    EXIT WHEN through IS NULL;`;
  return `
CREATE OR REPLACE FUNCTION ${t.evict}(h ${t.head}, ${BOUNDS})
RETURNS ${t.head} LANGUAGE plpgsql AS $evict$
DECLARE
  cutoff constant bigint := now_ms - max_age;
  keep_events bigint := max_events; keep_bytes bigint := max_bytes;
  gone record; o record; oldest bigint; through bigint; rows bigint; size bigint;
BEGIN
  IF h.events > max_events OR h.bytes > max_bytes THEN
    -- One eviction serves many appends.
    keep_events := max_events - least(${EVICT_ROWS}, max_events / 16);
    keep_bytes := max_bytes - max_bytes / 64;
  END IF;
  FOR i IN 1..${EVICT_STEPS} LOOP
    SELECT at INTO oldest FROM ${t.event} WHERE position > h.trimmed ORDER BY position LIMIT 1;
    EXIT WHEN oldest IS NULL OR NOT (h.events > keep_events OR h.bytes > keep_bytes OR oldest < cutoff);
    through := NULL;
    IF h.events > keep_events AND h.bytes <= keep_bytes AND oldest >= cutoff THEN
      -- Only the count is over its bound, so no row needs to be looked at.
      SELECT position INTO through FROM ${t.event} WHERE position > h.trimmed ORDER BY position
      OFFSET least(h.events - keep_events, ${2 * EVICT_ROWS}) - 1 LIMIT 1;
    END IF;
    IF through IS NULL THEN
      ${find(t.event, 'h.trimmed', 'h.events', 'h.bytes', ' OR o.at < cutoff')}
    END IF;
    ${remove(t.event, 'h.trimmed', 'h.events', 'h.bytes')}
    h.trimmed := through;
  END LOOP;
  keep_events := max_events; keep_bytes := max_bytes;
  FOR i IN 1..${EVICT_STEPS} LOOP
    EXIT WHEN NOT (h.value_events > keep_events OR h.value_bytes > keep_bytes);
    ${find(t.value, '0', 'h.value_events', 'h.value_bytes', '')}
    ${remove(t.value, '0', 'h.value_events', 'h.value_bytes')}
  END LOOP;
  IF h.idle > ${MAX_WATERMARKS} THEN
    WITH d AS (
      DELETE FROM ${t.address} WHERE id IN (
        SELECT id FROM ${t.address} WHERE held = 0 AND value = 0
        ORDER BY evicted LIMIT h.idle - ${MAX_WATERMARKS} + ${FORGET_ADDRESSES}
      ) RETURNING evicted
    ) SELECT count(*) AS count, max(evicted) AS last INTO gone FROM d;
    h.idle := h.idle - gone.count;
    h.forgotten := greatest(h.forgotten, gone.last);
  END IF;
  IF h.batches >= ${BATCHES + FORGET_BATCHES} THEN
    SELECT position INTO oldest FROM ${t.event} WHERE position > h.trimmed ORDER BY position LIMIT 1;
    WITH d AS (
      DELETE FROM ${t.batch} WHERE last IN (
        SELECT last FROM ${t.batch} WHERE last > h.unchecked AND (oldest IS NULL OR last < oldest)
        ORDER BY last LIMIT least(h.batches - ${BATCHES}, ${2 * FORGET_BATCHES})
      ) RETURNING last
    ) SELECT count(*) AS count, max(last) AS last INTO gone FROM d;
    h.batches := h.batches - gone.count;
    h.unchecked := greatest(h.unchecked, gone.last);
  END IF;
  RETURN h;
END $evict$;
`;
}

/**
 * Answer: \`<epoch> <parent> <newest before> <newest after> <origin>,<outcomes of keys>\`. The state after a change of
 * the epoch; for a repeat, the present one.
 */
function append(t: Names): string {
  return `
CREATE OR REPLACE FUNCTION ${t.append}(known_epoch text, known bigint, next_epoch text, writer_id text, batch bigint,
  tag integer, ${BOUNDS}, hint boolean, latests boolean[], ${PLANNED})
RETURNS text LANGUAGE plpgsql ${SETTINGS} ${LOCK_TIMEOUT} AS $append$
DECLARE h ${t.head}; w record; p record; origin bigint; outcomes text := ''; singles text[];
BEGIN
  ${LOCK(t)}
  ${RENEW(t)}
  SELECT * INTO w FROM ${t.writer} WHERE writer = writer_id;
  IF w.number >= batch THEN
    IF w.number > batch THEN
      RAISE EXCEPTION 'batch % of a writer that has written batch %', batch, w.number USING ERRCODE = 'LF001';
    END IF;
    ${save(t)}
    RETURN concat_ws(' ', h.epoch, coalesce(h.parent, '-'), h.newest, h.newest, w.outcome);
  END IF;
  ${NOW}
  origin := h.newest;
  IF keys IS NULL THEN
    h := ${t.put}(h, tag, now_ms, ${PLANNED_NAMES.replace('keys', 'array_fill(NULL::text, ARRAY[cardinality(payloads)])')});
  ELSE
    -- A key is forgotten together with its event.
    ${EVICT(t)}
    SELECT array_agg(names[u.a] ORDER BY u.i) INTO singles FROM unnest(addresses) WITH ORDINALITY AS u(a, i);
    SELECT * INTO p FROM ${t.duplicates}(singles, payloads, keys);
    IF p.outcomes <> '' THEN
      outcomes := p.outcomes;
      SELECT * INTO p FROM ${t.plan}(singles, latests, p.skip, payloads, keys, units, sizes);
      h := ${t.put}(h, tag, now_ms, ${PLANNED_NAMES.replaceAll(/\w+/g, 'p.$&')});
    ELSE
      h := ${t.put}(h, tag, now_ms, ${PLANNED_NAMES});
    END IF;
  END IF;
  ${EVICT(t)}
  ${save(t)}
  outcomes := concat(origin / ${TAGS}, '.', tag, ',', outcomes);
  INSERT INTO ${t.writer} AS x (writer, number, outcome, at) VALUES (writer_id, batch, outcomes, clock_timestamp())
  ON CONFLICT (writer) DO UPDATE SET number = excluded.number, outcome = excluded.outcome, at = excluded.at;
  IF w.writer IS NULL THEN
    DELETE FROM ${t.writer} WHERE at < clock_timestamp() - interval '1 day' AND writer <> writer_id;
  END IF;
  ${NOTIFY(t)}
  RETURN concat_ws(' ', h.epoch, coalesce(h.parent, '-'), origin, h.newest, outcomes);
END $append$;
`;
}

/** Moves committed rows of the outbox to the log. Answer: rows moved, and conflicts. \`-1\`: another process moves. */
function move(t: Names): string {
  return `
CREATE OR REPLACE FUNCTION ${t.move}(known_epoch text, known bigint, next_epoch text, tag integer, ${BOUNDS}, hint boolean)
RETURNS text LANGUAGE plpgsql ${SETTINGS} ${LOCK_TIMEOUT} AS $move$
DECLARE h ${t.head}; o record; d record; p record; origin bigint;
BEGIN
  -- The lock ends with this transaction. A pooler in transaction mode would keep a lock of a session.
  IF NOT pg_try_advisory_xact_lock(hashtextextended(${regclass(t.outbox)}::oid::text, 5497558138)) THEN RETURN '-1 0'; END IF;
  ${LOCK(t)}
  SELECT array_agg(x.id) AS ids, array_agg(x.number) AS numbers, array_agg(x.address ORDER BY x.number) AS singles,
    array_agg(x.data ORDER BY x.number) AS payloads, array_agg(x.latest ORDER BY x.number) AS latests,
    array_agg(x.key ORDER BY x.number) AS keys, array_agg(x.units ORDER BY x.number) AS units,
    array_agg(x.bytes ORDER BY x.number) AS sizes INTO o
  FROM (
    SELECT y.*, row_number() OVER w AS n, sum(y.units) OVER w AS total
    FROM (
      SELECT c.number, r.* FROM (SELECT * FROM ${t.committed} ORDER BY number LIMIT ${MOVE_ROWS}) c
      JOIN ${t.outbox} r ON r.id = c.outbox_id
    ) y WINDOW w AS (ORDER BY y.number)
  ) x WHERE x.n = 1 OR x.total <= ${MOVE_UNITS};
  IF o.ids IS NULL THEN
    -- Numbers of rows that were deleted by hand.
    DELETE FROM ${t.committed} c WHERE NOT EXISTS (SELECT FROM ${t.outbox} r WHERE r.id = c.outbox_id);
    RETURN '0 0';
  END IF;
  ${RENEW(t)}
  ${NOW}
  ${EVICT(t)}
  SELECT * INTO d FROM ${t.duplicates}(o.singles, o.payloads, o.keys);
  SELECT * INTO p FROM ${t.plan}(o.singles, o.latests, d.skip, o.payloads, o.keys, o.units, o.sizes);
  origin := h.newest;
  h := ${t.put}(h, tag, now_ms, ${PLANNED_NAMES.replaceAll(/\w+/g, 'p.$&')});
  ${EVICT(t)}
  ${save(t)}
  -- By their numbers: a smaller one may have been committed meanwhile.
  DELETE FROM ${t.committed} WHERE number = ANY (o.numbers);
  DELETE FROM ${t.outbox} WHERE id = ANY (o.ids);
  ${NOTIFY(t)}
  RETURN concat_ws(' ', cardinality(o.ids), length(d.outcomes) - length(replace(d.outcomes, '!', '')));
END $move$;
`;
}

/** Evicts events by age, for a reader that met one. */
function age(t: Names): string {
  return `
CREATE OR REPLACE FUNCTION ${t.age}(${BOUNDS}) RETURNS void LANGUAGE plpgsql ${SETTINGS} ${LOCK_TIMEOUT} AS $age$
DECLARE h ${t.head};
BEGIN
  ${LOCK(t)}
  ${NOW}
  ${EVICT(t)}
  ${save(t)}
END $age$;
`;
}

/** Starts a new epoch if the log does not contain the newest event that a process knows. */
function renew(t: Names): string {
  return `
CREATE OR REPLACE FUNCTION ${t.renew}(known_epoch text, known bigint, next_epoch text)
RETURNS void LANGUAGE plpgsql ${SETTINGS} ${LOCK_TIMEOUT} AS $renew$
DECLARE h ${t.head};
BEGIN
  ${LOCK(t)}
  ${RENEW(t)}
  ${save(t)}
END $renew$;
`;
}

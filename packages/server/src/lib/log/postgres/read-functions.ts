/** The functions of a log in PostgreSQL that read it. They are STABLE: all statements of a call see one state. */
import { SETTINGS } from '../../database/postgres/names.ts';
import { TAGS, type Names } from './tables.ts';

/** A row: `kind` is `head`, `mark` (a watermark), `event` or `value`. Text, so that type parsers of a client do not apply. */
const ROWS = 'TABLE (kind text, at text, name text, prev text, data text)';

export function readFunctions(t: Names): string {
  return [holds(t), lost(t), page(t), tail(t), truncated(t)].join('');
}

/** Whether the present history contains a position. */
function holds(t: Names): string {
  return `
CREATE OR REPLACE FUNCTION ${t.holds}(wanted bigint) RETURNS boolean LANGUAGE sql STABLE AS $holds$
  SELECT wanted = 0 OR wanted IN (h.newest, h.unchecked)
    OR coalesce((
      SELECT wanted >= b.first AND wanted % ${TAGS} = b.last % ${TAGS} FROM ${t.batch} b
      WHERE b.last >= wanted ORDER BY b.last LIMIT 1), false)
    OR EXISTS (SELECT FROM ${t.value} v WHERE v.position = wanted)
  FROM ${t.head} h
$holds$;
`;
}

/** Whether the newest event that a process knows was lost. */
function lost(t: Names): string {
  return `
CREATE OR REPLACE FUNCTION ${t.lost}(h ${t.head}, known_epoch text, known bigint) RETURNS boolean
LANGUAGE plpgsql STABLE AS $lost$
BEGIN
  RETURN h.epoch = known_epoch AND known <> h.newest AND NOT ${t.holds}(known);
END $lost$;
`;
}

const HEAD = (flags: string, through: string): string => `
  kind := 'head'; at := h.newest; name := h.epoch; prev := h.parent;
  data := concat_ws(' ', ${flags}, ${through});
  RETURN NEXT;`;

/** A page, its watermarks and the head. Flags: the newest known event was lost; an event is past its age. */
function page(t: Names): string {
  return `
CREATE OR REPLACE FUNCTION ${t.page}(known_epoch text, known bigint, now_ms bigint, max_age bigint,
  names text[], starts bigint[], past bigint, max_events integer, max_units bigint)
RETURNS ${ROWS} LANGUAGE plpgsql STABLE ${SETTINGS} AS $page$
DECLARE h ${t.head}; positions bigint[]; cut boolean; oldest bigint;
BEGIN
  SELECT * INTO STRICT h FROM ${t.head};
  SELECT e.at INTO oldest FROM ${t.event} e WHERE e.position > h.trimmed ORDER BY e.position LIMIT 1;
  SELECT array_agg(z.position ORDER BY z.position) FILTER (WHERE z.fits), bool_or(NOT z.fits) INTO positions, cut
  FROM (
    SELECT y.position, y.n <= max_events AND (y.n = 1 OR y.total <= max_units) AS fits FROM (
      SELECT x.position, row_number() OVER w AS n, sum(x.units) OVER w AS total FROM (
        SELECT e.position, e.units FROM unnest(names, starts) AS q(name, start)
        JOIN ${t.address} a ON a.name = q.name
        CROSS JOIN LATERAL (
          SELECT l.position, l.units FROM ${t.event} l WHERE l.address = a.id AND l.position > q.start
          ORDER BY l.position LIMIT max_events + 1
        ) e WHERE a.held > 0
        UNION ALL
        SELECT v.position, v.units FROM unnest(names, starts) AS q(name, start)
        JOIN ${t.address} a ON a.name = q.name JOIN ${t.value} v ON v.position = a.value
        WHERE a.value > q.start
        ORDER BY 1 LIMIT max_events + 1
      ) x WINDOW w AS (ORDER BY x.position)
    ) y
  ) z;
  ${HEAD(
    `CASE WHEN ${t.lost}(h, known_epoch, known) THEN 'lost' ELSE '-' END,
    CASE WHEN oldest < coalesce(now_ms, (extract(epoch FROM clock_timestamp()) * 1000)::bigint) - max_age
      THEN 'due' ELSE '-' END`,
    `CASE WHEN cut THEN positions[cardinality(positions)] ELSE greatest(past, h.newest) END`,
  )}
  RETURN QUERY
    SELECT 'mark', m.mark::text, m.name, NULL, NULL FROM (
      SELECT q.name, q.start, greatest(coalesce(a.evicted, h.forgotten), CASE
        -- The batches of this position were removed. Two positions of the address are known without them.
        WHEN q.start > 0 AND q.start IS DISTINCT FROM a.last AND q.start IS DISTINCT FROM a.evicted THEN h.unchecked
      END) AS mark
      FROM unnest(names, starts) AS q(name, start) LEFT JOIN ${t.address} a ON a.name = q.name
    ) m WHERE m.mark > m.start;
  RETURN QUERY
    SELECT 'event', e.position::text, a.name, e.prev::text, e.data FROM (
      SELECT position, address, l.prev, l.data FROM ${t.event} l WHERE position = ANY (positions)
      UNION ALL
      SELECT position, address, NULL, v.data FROM ${t.value} v WHERE position = ANY (positions)
    ) e JOIN ${t.address} a ON a.id = e.address ORDER BY e.position;
END $page$;
`;
}

/** The events past a position, of all addresses. Flags: lost; events were evicted; the outbox has committed rows. */
function tail(t: Names): string {
  return `
CREATE OR REPLACE FUNCTION ${t.tail}(known_epoch text, known bigint, past bigint, max_events integer, max_units bigint)
RETURNS ${ROWS} LANGUAGE plpgsql STABLE ${SETTINGS} AS $tail$
DECLARE h ${t.head}; gone boolean; evicted boolean;
BEGIN
  SELECT * INTO STRICT h FROM ${t.head};
  gone := ${t.lost}(h, known_epoch, known);
  evicted := h.epoch = known_epoch AND h.evicted > past;
  ${HEAD(
    `CASE WHEN gone THEN 'lost' ELSE '-' END, CASE WHEN evicted THEN 'trimmed' ELSE '-' END,
    CASE WHEN EXISTS (SELECT FROM ${t.committed}) THEN 'outbox' ELSE '-' END`,
    'h.newest',
  )}
  IF gone OR evicted OR h.epoch <> known_epoch OR h.newest <= past THEN RETURN; END IF;
  RETURN QUERY
    SELECT y.kind, y.position::text, a.name, y.prev::text, y.data FROM (
      SELECT x.*, row_number() OVER w AS n, sum(x.units) OVER w AS total FROM (
        (SELECT 'event' AS kind, position, address, e.prev, units, e.data FROM ${t.event} e
          WHERE position > past ORDER BY position LIMIT max_events)
        UNION ALL
        (SELECT 'value', position, address, NULL, units, v.data FROM ${t.value} v
          WHERE position > past ORDER BY position LIMIT max_events)
        ORDER BY 2 LIMIT max_events
      ) x WINDOW w AS (ORDER BY x.position)
    ) y JOIN ${t.address} a ON a.id = y.address
    WHERE y.n = 1 OR y.total <= max_units ORDER BY y.position;
END $tail$;
`;
}

/** TRUNCATE removes events without the log's functions. Every address then has a watermark at the newest position. */
function truncated(t: Names): string {
  const trigger = (table: string): string => `
DROP TRIGGER IF EXISTS linefeed_truncated ON ${table};
CREATE TRIGGER linefeed_truncated AFTER TRUNCATE ON ${table} EXECUTE FUNCTION ${t.truncated}();`;
  return `
CREATE OR REPLACE FUNCTION ${t.truncated}() RETURNS trigger LANGUAGE plpgsql AS $truncated$
BEGIN
  DELETE FROM ${t.event}; DELETE FROM ${t.value}; DELETE FROM ${t.address};
  UPDATE ${t.head} SET evicted = newest, trimmed = newest, forgotten = newest,
    events = 0, bytes = 0, value_events = 0, value_bytes = 0, idle = 0;
  RETURN NULL;
END $truncated$;
${[t.event, t.value, t.address].map(trigger).join('')}
`;
}

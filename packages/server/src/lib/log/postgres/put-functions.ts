/** The functions of a log in PostgreSQL that add events. Their callers hold the lock on the head, and save it. */
import { TAGS, type Names } from './tables.ts';

/**
 * A batch as arrays. One element for each address: its name, how many events it gets, the ordinals of its last entry
 * and of its value or 0. One element for each entry: the index of its address, the ordinal of the previous entry of its
 * address or 0, payload, key, payload in code units, and size. `Entries` in batch-arrays.ts builds the same.
 */
export const PLANNED = `names text[], counts integer[], lasts integer[], vals integer[],
  addresses integer[], prevs integer[], payloads text[], keys text[], units integer[], sizes integer[]`;
export const PLANNED_NAMES: string = PLANNED.replaceAll(/ (text|integer)\[\]/g, '');

export function putFunctions(t: Names): string {
  return [put(t), plan(t), duplicates(t)].join('');
}

/** Appends a batch to the tables. */
function put(t: Names): string {
  return `
CREATE OR REPLACE FUNCTION ${t.put}(h ${t.head}, tag integer, now_ms bigint, ${PLANNED})
RETURNS ${t.head} LANGUAGE plpgsql AS $put$
DECLARE
  step constant bigint := ${TAGS};
  origin constant bigint := h.newest / ${TAGS} * ${TAGS} + tag;
  n constant integer := coalesce(cardinality(payloads), 0);
  ids bigint[]; olds bigint[]; added bigint; fresh bigint; removed record;
BEGIN
  IF n = 0 THEN RETURN h; END IF;
  SELECT array_agg(a.id ORDER BY u.i), array_agg(coalesce(a.last, -1) ORDER BY u.i),
    count(*) FILTER (WHERE a.id IS NULL), count(*) FILTER (WHERE a.held = 0 AND a.value = 0)
  INTO ids, olds, added, fresh
  FROM unnest(names) WITH ORDINALITY AS u(name, i) LEFT JOIN ${t.address} a ON a.name = u.name;
  IF added > 0 THEN
    INSERT INTO ${t.address} (name, last, evicted)
    SELECT u.name, CASE WHEN h.forgotten = 0 THEN 0 END, h.forgotten
    FROM unnest(names, ids) AS u(name, id) WHERE u.id IS NULL;
    SELECT array_agg(a.id ORDER BY u.i), array_agg(coalesce(a.last, -1) ORDER BY u.i) INTO ids, olds
    FROM unnest(names) WITH ORDINALITY AS u(name, i) JOIN ${t.address} a ON a.name = u.name;
  END IF;
  h.idle := h.idle - fresh;
  IF 0 < ANY (vals) THEN
    -- A value supersedes the events of its address.
    WITH s AS MATERIALIZED (
      SELECT a.id, a.held, a.value FROM unnest(ids, vals) AS u(id, val) JOIN ${t.address} a ON a.id = u.id
      WHERE u.val > 0 AND (a.held > 0 OR a.value > 0)
    ), v AS (
      DELETE FROM ${t.value} d USING s WHERE d.position = s.value RETURNING d.bytes
    ), e AS (
      DELETE FROM ${t.event} d USING s WHERE s.held > 0 AND d.address = s.id RETURNING d.bytes
    )
    SELECT (SELECT count(*) FROM v) AS value_events, (SELECT coalesce(sum(bytes), 0) FROM v) AS value_bytes,
      (SELECT count(*) FROM e) AS events, (SELECT coalesce(sum(bytes), 0) FROM e) AS bytes INTO removed;
    WITH v AS (
      INSERT INTO ${t.value} (position, address, units, bytes, key, data)
      SELECT origin + u.i * step, ids[u.a], u.units, u.bytes, u.key, u.data
      FROM unnest(addresses, payloads, keys, units, sizes) WITH ORDINALITY AS u(a, data, key, units, bytes, i)
      WHERE u.i = vals[u.a] RETURNING bytes
    )
    SELECT h.value_events - removed.value_events + count(*), h.value_bytes - removed.value_bytes + coalesce(sum(bytes), 0)
    INTO h.value_events, h.value_bytes FROM v;
    h.events := h.events - removed.events;
    h.bytes := h.bytes - removed.bytes;
  END IF;
  IF 0 < ANY (counts) THEN
    INSERT INTO ${t.event} (position, address, prev, at, units, bytes, key, data)
    SELECT origin + u.i * step, ids[u.a], CASE WHEN u.prev > 0 THEN origin + u.prev * step ELSE nullif(olds[u.a], -1) END,
      now_ms, u.units, u.bytes, u.key, u.data
    FROM unnest(addresses, prevs, payloads, keys, units, sizes) WITH ORDINALITY AS u(a, prev, data, key, units, bytes, i)
    WHERE u.i > vals[u.a];
    GET DIAGNOSTICS added = ROW_COUNT;
    h.events := h.events + added;
    IF added = n THEN h.bytes := h.bytes + (SELECT sum(s) FROM unnest(sizes) AS s);
    ELSE
      h.bytes := h.bytes + (SELECT sum(u.bytes)
        FROM unnest(addresses, sizes) WITH ORDINALITY AS u(a, bytes, i) WHERE u.i > vals[u.a]);
    END IF;
  END IF;
  UPDATE ${t.address} a SET last = origin + u.last * step,
    held = u.count + CASE WHEN u.val = 0 THEN a.held ELSE 0 END,
    value = CASE WHEN u.val = 0 THEN a.value ELSE origin + u.val * step END,
    evicted = CASE WHEN u.val = 0 THEN a.evicted ELSE 0 END
  FROM unnest(ids, lasts, counts, vals) AS u(id, last, count, val) WHERE a.id = u.id;
  h.newest := origin + n * step;
  h.batches := h.batches + 1;
  INSERT INTO ${t.batch} (last, first) VALUES (h.newest, origin + step);
  RETURN h;
END $put$;
`;
}

/** Builds the arrays of a batch from single entries, without those to skip. */
function plan(t: Names): string {
  return `
CREATE OR REPLACE FUNCTION ${t.plan}(singles text[], latests boolean[], skip bigint[],
  INOUT payloads text[], INOUT keys text[], INOUT units integer[], INOUT sizes integer[], OUT names text[],
  OUT counts integer[], OUT lasts integer[], OUT vals integer[], OUT addresses integer[], OUT prevs integer[])
LANGUAGE plpgsql STABLE AS $plan$
BEGIN
  WITH q AS MATERIALIZED (
    SELECT row_number() OVER (ORDER BY u.ord)::integer AS i, u.*
    FROM unnest(singles, latests, plan.payloads, plan.keys, plan.units, plan.sizes)
      WITH ORDINALITY AS u(name, latest, data, key, units, bytes, ord)
    WHERE NOT u.ord = ANY (skip)
  ), n AS MATERIALIZED (
    SELECT q.*, dense_rank() OVER (ORDER BY q.name)::integer AS a,
      coalesce(lag(q.i) OVER (PARTITION BY q.name ORDER BY q.i), 0) AS prev,
      coalesce(max(q.i) FILTER (WHERE q.latest) OVER (PARTITION BY q.name), 0) AS val
    FROM q
  ), g AS (
    SELECT n.a, n.name, n.val, max(n.i) AS last, count(*) FILTER (WHERE n.i > n.val) AS count
    FROM n GROUP BY n.a, n.name, n.val
  ), per_address AS (
    SELECT array_agg(g.name ORDER BY g.a) AS names, array_agg(g.count::integer ORDER BY g.a) AS counts,
      array_agg(g.last ORDER BY g.a) AS lasts, array_agg(g.val ORDER BY g.a) AS vals FROM g
  ), per_entry AS (
    SELECT array_agg(n.a ORDER BY n.i) AS addresses, array_agg(n.prev ORDER BY n.i) AS prevs,
      array_agg(n.data ORDER BY n.i) AS payloads, array_agg(n.key ORDER BY n.i) AS keys,
      array_agg(n.units ORDER BY n.i) AS units, array_agg(n.bytes ORDER BY n.i) AS sizes FROM n
  )
  SELECT x.names, x.counts, x.lasts, x.vals, y.addresses, y.prevs, y.payloads, y.keys, y.units, y.sizes
  INTO names, counts, lasts, vals, addresses, prevs, payloads, keys, units, sizes FROM per_address x, per_entry y;
END $plan$;
`.replaceAll('plan.payloads, plan.keys, plan.units, plan.sizes', '$4, $5, $6, $7');
}

/** The entries whose key was used before, with the outcome of each: \`<ord>=<position>\`, \`<ord>~<ord>\` or \`<ord>!\`. */
function duplicates(t: Names): string {
  return `
CREATE OR REPLACE FUNCTION ${t.duplicates}(singles text[], payloads text[], keys text[],
  OUT skip bigint[], OUT outcomes text)
LANGUAGE plpgsql STABLE AS $duplicates$
BEGIN
  WITH k AS MATERIALIZED (
    SELECT u.*, first_value(u.ord) OVER w AS first, first_value(u.data) OVER w = u.data AS same
    FROM unnest(singles, payloads, keys) WITH ORDINALITY AS u(name, data, key, ord) WHERE u.key IS NOT NULL
    WINDOW w AS (PARTITION BY u.name, u.key ORDER BY u.ord)
  ), f AS MATERIALIZED (
    SELECT k.ord, k.first, k.same, coalesce(e.position, v.position) AS position,
      coalesce(e.data, v.data) = k.data AS equal
    FROM k LEFT JOIN ${t.address} a ON a.name = k.name
    -- LIMIT keeps each as a subquery, which uses both columns of its index.
    LEFT JOIN LATERAL (SELECT * FROM ${t.event} x WHERE x.address = a.id AND x.key = k.key LIMIT 1) e ON true
    LEFT JOIN LATERAL (SELECT * FROM ${t.value} x WHERE x.position = a.value AND x.key = k.key LIMIT 1) v ON true
  )
  SELECT coalesce(array_agg(f.ord), '{}'), coalesce(string_agg(f.ord || CASE
    WHEN f.position IS NOT NULL AND f.equal THEN '=' || f.position
    WHEN f.position IS NULL AND f.same THEN '~' || f.first
    ELSE '!' END, ','), '')
  INTO skip, outcomes FROM f WHERE f.position IS NOT NULL OR f.ord <> f.first;
END $duplicates$;
`;
}

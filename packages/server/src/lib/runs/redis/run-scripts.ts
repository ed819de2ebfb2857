/**
 * The scripts of a store of runs on Redis.
 *
 * - The store is a hash with the format.
 * - A record is a hash: its version `v`, state `s`, count `c`, the end of its lease `e`, and the names of its runs with
 *   events `l`.
 * - The events of a run are a list. It expires together with its record.
 * - The index is two sorted sets of keys: by name (`NAMES`, equal scores), and by the time of their deletion (`EXPIRY`).
 * - The hints are a stream with the keys of the newest commits, and the handles that made them.
 *
 * All have one hash tag, so that a cluster keeps them on one node.
 */

export type RunScript = 'open' | 'load' | 'commit' | 'read' | 'versions' | 'list';

/** Format of the keys and of their values. A change that older processes cannot work with needs a new number. */
const FORMAT = 1;

/** Hints that the stream holds at least. */
const HINTS = 256;
/** Keys whose record has expired: the most that the creation of a record removes from the index. */
const FORGET = 32;
/** Keys that one call lists. */
const LIST_KEYS = 500;

export interface RunKeys {
  readonly store: string;
  readonly names: string;
  readonly expiry: string;
  readonly hints: string;
}

/** Without a hash tag in it, the whole key becomes the hash tag. */
export function runKeysOf(key: string): RunKeys {
  const base = /\{[^}]+\}/.test(key) ? key : `{${key}}`;
  const store = `${base}:linefeed:runs`;
  return { store, names: `${store}:names`, expiry: `${store}:expiry`, hints: `${store}:hints` };
}

/** The keys in the order of the scripts. */
export function allRunKeys({ store, names, expiry, hints }: RunKeys): [string, ...string[]] {
  return [store, names, expiry, hints];
}

const COMMON = `
local STORE, NAMES, EXPIRY, HINTS = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local call = redis.call
local function int(n) return string.format('%d', n) end
local time = call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
-- Numbers are exact up to 2^53. Microseconds since 1970 reach that in the year 2255.
local micros = time[1] * 1000000 + time[2]

local function recordOf(key) return STORE .. ':r:' .. key end
-- The length of the key separates it from the run.
local function listOf(key, run) return STORE .. ':e:' .. #key .. ':' .. key .. ':' .. run end

local function checkFormat()
  local format = call('HGET', STORE, 'format')
  if format and format ~= '${FORMAT}' then return redis.error_reply('LINEFEEDFORMAT format ' .. format) end
  if not format and call('HLEN', STORE) > 0 then return redis.error_reply('LINEFEEDFOREIGN no format') end
end

-- The record as {version, state, count, end of the lease}, and its runs with events. Nothing if there is no record.
local function find(key)
  local found = call('HMGET', recordOf(key), 'v', 's', 'c', 'e', 'l')
  if not found[1] then return nil end
  local runs, lists = cmsgpack.unpack(found[5]), {}
  for i = 1, #runs do lists[i] = listOf(key, runs[i]) end
  -- A server that is out of memory may evict one key and not the others. A record without its events has no meaning.
  if #lists > 0 and call('EXISTS', unpack(lists)) < #lists then return nil end
  return found, runs
end
`;

/** Refuses keys of other types and formats. */
const OPEN = `${COMMON}
local failed = checkFormat()
if failed then return failed end
call('ZCARD', NAMES)
call('ZCARD', EXPIRY)
call('XLEN', HINTS)
return 1
`;

/** Returns version, state, count, time left of the lease, and the time. */
const LOAD = `${COMMON}
local found = find(ARGV[1])
if not found then return false end
return {found[1], found[2], found[3], int(tonumber(found[4]) - now), int(now)}
`;

/**
 * Commits a change of a record. Returns the new version, or nothing if the version is not the expected one. Arguments:
 *
 * - 1–5: key, expected version or nothing, count, lease, time to keep
 * - 6–8: handle, `s` if there is a state, state
 * - 9: run that gets the events
 * - 10: number of runs to drop, followed by these runs
 * - all others: events
 */
const COMMIT = `${COMMON}
local key, expected, count, lease, keep, handle = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5]), ARGV[6]
local run, drops = ARGV[9], tonumber(ARGV[10])
local firstEvent = 11 + drops
local failed = checkFormat()
if failed then return failed end
local RECORD = recordOf(key)
local found, runs = find(key)
local version = found and tonumber(found[1]) or 0
if expected ~= (found and found[1] or '') then return false end

-- Later than any version of another copy of the record, and of a record that was deleted.
version = math.max(version + 1, micros)
local fields = {'v', int(version), 'c', count, 'e', int(now + lease)}
if ARGV[7] == 's' then
  fields[#fields + 1] = 's'
  fields[#fields + 1] = ARGV[8]
end
if not found then
  runs = {}
  -- What an eviction may have left.
  call('UNLINK', RECORD)
  fields[#fields + 1] = 'l'
  fields[#fields + 1] = cmsgpack.pack(runs)
end
-- The first write fails, and changes nothing, if the server cannot write.
call('HSET', RECORD, unpack(fields))

local isChanged = false
for i = 1, drops do
  for j = #runs, 1, -1 do
    if runs[j] == ARGV[10 + i] then
      call('UNLINK', listOf(key, runs[j]))
      table.remove(runs, j)
      isChanged = true
    end
  end
end
if #ARGV >= firstEvent then
  local list, isKnown = listOf(key, run), false
  for i = 1, #runs do isKnown = isKnown or runs[i] == run end
  if not isKnown then
    call('UNLINK', list)
    runs[#runs + 1] = run
    isChanged = true
  end
  for i = firstEvent, #ARGV, 1000 do call('RPUSH', list, unpack(ARGV, i, math.min(i + 999, #ARGV))) end
end
if isChanged then call('HSET', RECORD, 'l', cmsgpack.pack(runs)) end
call('PEXPIRE', RECORD, keep)
for i = 1, #runs do call('PEXPIRE', listOf(key, runs[i]), keep) end

if not found then
  call('HSET', STORE, 'format', ${FORMAT})
  local expired = call('ZRANGE', EXPIRY, '-inf', int(now), 'BYSCORE', 'LIMIT', 0, ${FORGET})
  if #expired > 0 then
    call('ZREM', EXPIRY, unpack(expired))
    call('ZREM', NAMES, unpack(expired))
  end
end
if call('ZADD', EXPIRY, int(now + keep), key) == 1 then call('ZADD', NAMES, 0, key) end
call('XADD', HINTS, 'MAXLEN', '~', ${HINTS}, '*', 'h', handle, 'k', key)
-- The keys of the store expire after all records. Seldom, because each of them is a write.
if call('PTTL', EXPIRY) < keep then
  for i = 1, #KEYS do call('PEXPIRE', KEYS[i], keep * 2 + 60000) end
end
return int(version)
`;

/** Arguments: key, run, number of the last event before, limits of events and bytes. */
const READ = `${COMMON}
local list, from, most, room = listOf(ARGV[1], ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local events = {}
local step = 16
while #events < most and room > 0 do
  local part = call('LRANGE', list, from, from + math.min(step, most - #events) - 1)
  for i = 1, #part do
    if room <= 0 then break end
    events[#events + 1] = part[i]
    room = room - #part[i]
  end
  if #part < step then break end
  from = from + #part
  step = math.min(step * 2, 512)
end
return events
`;

/** Arguments: keys. Returns the version of each. */
const VERSIONS = `${COMMON}
local versions = {}
for i = 1, #ARGV do versions[i] = call('HGET', recordOf(ARGV[i]), 'v') end
return versions
`;

/** Arguments: prefix, last key of the call before. Returns the next keys: first the last one of all, then the kept ones. */
const LIST = `${COMMON}
local from = ARGV[2] == '' and '[' .. ARGV[1] or '(' .. ARGV[2]
-- No text contains this byte, so that it is past all texts with the prefix.
local keys = call('ZRANGE', NAMES, from, '(' .. ARGV[1] .. '\\255', 'BYLEX', 'LIMIT', 0, ${LIST_KEYS})
local kept = {#keys < ${LIST_KEYS} and '' or keys[#keys]}
for i = 1, #keys do
  local expiry = call('ZSCORE', EXPIRY, keys[i])
  if expiry and tonumber(expiry) > now then kept[#kept + 1] = keys[i] end
end
return kept
`;

export const RUN_SCRIPTS: Readonly<Record<RunScript, string>> = {
  open: OPEN,
  load: LOAD,
  commit: COMMIT,
  read: READ,
  versions: VERSIONS,
  list: LIST,
};

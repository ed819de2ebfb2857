/**
 * The first part of every Redis script: reads the state of the log, and starts a log or an epoch where needed.
 *
 * A log has four keys:
 * - The hash holds the state, events (`e<sequence>`), addresses (`a<address>`), blocks of sequences of an address
 *   (`i<id>:<number>`), idempotency keys (`k…`) and writers (`w<writer>`).
 * - The order is a list of the events of `keep: 'all'`, oldest first.
 * - The index is a sorted set with equal scores, so that its members are ordered by their bytes: `v` values of
 *   `keep: 'latest'`, `d` addresses without held events, `b` batches, `w` writers. A sequence follows, as 8 bytes.
 * - The tail is a stream with the newest batches.
 *
 * A position is `<sequence>-<tag as a number>`, as an id of the stream.
 */

/** Batches that the tail holds. A reader that is further away reads the events from the hash. */
const TAIL_BATCHES = 512;

export const STATE_SCRIPT: string = `
local LOG, ORDER, INDEX, TAIL = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local call, format, match, sub = redis.call, string.format, string.match, string.sub
local pack, unpackBytes = struct.pack, struct.unpack
local input = cjson.decode(ARGV[1])
local function int(n) return format('%d', n) end
local function bytesOf(seq) return pack('>I8', seq) end
local function seqIn(member) return (unpackBytes('>I8', member, 2)) end
local function seqOf(spot) return tonumber(match(spot, '^%d+')) end
local function later(a, b) if seqOf(b) > seqOf(a) then return b end return a end

local now = input.now
if now < 0 then
  local time = call('TIME')
  now = time[1] * 1000 + math.floor(time[2] / 1000)
end

-- Each of these calls refuses a key of another type, before anything is written.
local text = call('HGET', LOG, 'state')
local fields, count, members, batches = call('HLEN', LOG), call('LLEN', ORDER), call('ZCARD', INDEX), call('XLEN', TAIL)
local S
if text then
  local f = cmsgpack.unpack(text)
  if f[1] ~= 1 then return redis.error_reply('LINEFEEDFORMAT format ' .. tostring(f[1])) end
  S = {
    epoch = f[2], parent = f[3], seq = f[4], tag = f[5],
    -- Newest evicted position of the addresses that were forgotten, and of all.
    forgotten = f[6], evicted = f[7],
    count = f[8], bytes = f[9], values = f[10], vbytes = f[11],
    ids = f[12], batches = f[13], history = f[14], writers = f[15], idle = f[16], fields = f[17], members = f[18],
  }
elseif fields > 0 then
  return redis.error_reply('LINEFEEDFOREIGN no state')
end
local changed = false
if not S or S.fields ~= fields - 1 or S.members ~= members or S.count ~= count then
  -- There is no log, or the server evicted one of its keys: what remains has no meaning.
  if fields + count + members + batches > 0 then call('UNLINK', LOG, ORDER, INDEX, TAIL) end
  S = {
    epoch = input.n, parent = '-', seq = 0, tag = 0, forgotten = '0', evicted = '0', count = 0, bytes = 0, values = 0,
    vbytes = 0, ids = 0, batches = 0, history = 0, writers = 0, idle = 0, fields = 0, members = 0,
  }
  changed = true
end

local function spotOf() if S.seq == 0 then return '0' end return int(S.seq) .. '-' .. S.tag end

-- The tag of the batch of a sequence; nil if it is too old to be known.
local function tagAt(seq)
  if seq == S.seq then return S.tag end
  if seq >= S.history then
    local batch = call('ZRANGE', INDEX, '[b' .. bytesOf(seq) .. '\\255', '[b', 'BYLEX', 'REV', 'LIMIT', 0, 1)[1]
    return tonumber(sub(batch, 10))
  end
  -- A value may be held longer than its batch is known.
  local record = call('HGET', LOG, 'e' .. int(seq))
  if record then return tonumber(match(record, '^%d+')) end
end

if S.epoch == input.e and input.s > 0 then
  local tag = input.s <= S.seq and tagAt(input.s)
  if tag == false or (tag and tag ~= input.t) then
    S.parent = S.epoch
    S.epoch = input.n
    changed = true
  end
end

local function saveState()
  call('HSET', LOG, 'state', cmsgpack.pack({
    1, S.epoch, S.parent, S.seq, S.tag, S.forgotten, S.evicted, S.count, S.bytes, S.values, S.vbytes, S.ids, S.batches,
    S.history, S.writers, S.idle, S.fields, S.members,
  }))
end

-- Adds an entry to the tail. As the first write of a script it fails, and changes nothing, if the server cannot write.
local function announce(id, ...)
  local reply = redis.pcall('XADD', TAIL, 'MAXLEN', '~', ${TAIL_BATCHES}, id, ...)
  if type(reply) ~= 'table' or not reply.err then return end
  if not string.find(reply.err, 'equal or smaller', 1, true) then return reply end
  -- Another stream was renamed or restored to this key.
  call('UNLINK', TAIL)
  reply = redis.pcall('XADD', TAIL, id, ...)
  if type(reply) == 'table' and reply.err then return reply end
end

-- Writes a new epoch. Readers that wait at the tail learn of it at once.
local function settle()
  if not changed then return end
  if S.seq > 0 then
    local failed = announce(int(S.seq) .. '-*', 'e', S.epoch, 'b', spotOf())
    if failed then return failed end
  end
  saveState()
end
`;

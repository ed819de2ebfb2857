/** The part of the Redis scripts that changes addresses and evicts events, in bounded steps. */
import { MAX_WATERMARKS } from '../bounds.ts';

/** Events that one call evicts in addition to as many as it appends. */
export const EVICT_EVENTS = 500;
/** Handles whose newest batch is remembered. */
export const MAX_WRITERS = 1_000;
/** Sequences in one block of an address. */
export const BLOCK_EVENTS = 64;

export const EVICT_SCRIPT: string = `
-- Addresses by name, and the fields and members to write (false: to remove).
local A, H, Z = {}, {}, {}
local passed = 0 -- events at the head of the order that were evicted

local function parseAddress(name, text)
  local a
  if text then
    local f = cmsgpack.unpack(text)
    a = {
      name = name, id = f[1], last = f[2], evicted = f[3],
      -- Events of 'keep: all' that are held. Those before the sequence 'base' are superseded by a value.
      held = f[4], base = f[5],
      -- Position, size and idempotency key of the value.
      latest = f[6], size = f[7], key = f[8],
      -- Sequences of the events: in the blocks of 'from' to before 'to', then in 'block'. The first 'gone' are evicted.
      from = f[9], to = f[10], gone = f[11], block = f[12],
    }
  else
    -- Once any address was forgotten, this may be one of them: its last position is unknown.
    a = {
      name = name, last = S.forgotten == '0' and '0' or '?', evicted = S.forgotten, held = 0, base = 0, latest = '0',
      size = 0, key = '', from = 0, to = 0, gone = 0, block = '',
    }
  end
  A[name] = a
  return a
end

local function loadAddresses(names)
  for i = 1, #names, 1000 do
    local wanted = {}
    for j = i, math.min(i + 999, #names) do wanted[j - i + 1] = 'a' .. names[j] end
    local texts = call('HMGET', LOG, unpack(wanted))
    for j = 1, #wanted do parseAddress(names[i + j - 1], texts[j]) end
  end
end

local function inSteps(key, command, list, step)
  local sum = 0
  for i = 1, #list, step do sum = sum + call(command, key, unpack(list, i, math.min(i + step - 1, #list))) end
  return sum
end

-- Removes first: these commands succeed on a server without memory, and after them the others do too.
local function flush()
  for name, a in pairs(A) do
    if a.dirty then
      a.dirty = false
      H['a' .. name] = cmsgpack.pack({
        a.id, a.last, a.evicted, a.held, a.base, a.latest, a.size, a.key, a.from, a.to, a.gone, a.block,
      })
    end
  end
  local set, del, add, rem = {}, {}, {}, {}
  for field, value in pairs(H) do
    if value then
      set[#set + 1] = field
      set[#set + 1] = value
    else
      del[#del + 1] = field
    end
  end
  for member, isIn in pairs(Z) do
    if isIn then
      add[#add + 1] = 0
      add[#add + 1] = member
    else
      rem[#rem + 1] = member
    end
  end
  H, Z = {}, {}
  if passed > 0 then call('LTRIM', ORDER, passed, -1) end
  passed = 0
  S.fields = S.fields - inSteps(LOG, 'HDEL', del, 1000)
  S.members = S.members - inSteps(INDEX, 'ZREM', rem, 1000)
  S.fields = S.fields + inSteps(LOG, 'HSET', set, 1000)
  S.members = S.members + inSteps(INDEX, 'ZADD', add, 1000)
end

local function keyField(name, key) return 'k' .. #name .. ':' .. name .. key end
local function first(letter, following, count)
  return call('ZRANGE', INDEX, '[' .. letter, '(' .. following, 'BYLEX', 'LIMIT', 0, count)
end

local function markIdle(a)
  if a.held > 0 or a.latest ~= '0' then return end
  Z['d' .. bytesOf(seqOf(a.last)) .. a.name] = true
  S.idle = S.idle + 1
end

local function dropValue(a)
  local seq = seqOf(a.latest)
  H['e' .. int(seq)] = false
  Z['v' .. bytesOf(seq) .. a.name] = false
  if a.key ~= '' then H[keyField(a.name, a.key)] = false end
  S.values = S.values - 1
  S.vbytes = S.vbytes - a.size
  a.latest, a.size, a.key, a.dirty = '0', 0, '', true
end

local function dropOldest(a)
  a.held = a.held - 1
  a.gone = a.gone + 1
  a.dirty = true
  if a.held == 0 then
    a.from, a.gone, a.block = a.to, 0, ''
  elseif a.gone == ${BLOCK_EVENTS} and a.from < a.to then
    H['i' .. int(a.id) .. ':' .. int(a.from)] = false
    a.from, a.gone = a.from + 1, 0
  end
end

-- The oldest event: sequence, tag, time, size, length of the address; address and key follow.
local function readOrder(item)
  local seq, tag, at, size, length, from = unpackBytes('>I8I4I8I4I4', item)
  return seq, tag, at, size, sub(item, from, from + length - 1), sub(item, from + length)
end

local function evictOld(most, events, bytes, cutoff)
  local step = (S.count > events or S.bytes > bytes) and 64 or 1
  while most > 0 do
    local items = call('LRANGE', ORDER, passed, passed + math.min(step, most) - 1)
    local due, names = {}, {}
    for i = 1, #items do
      local seq, tag, at, size, name, key = readOrder(items[i])
      if not (S.count > events or S.bytes > bytes or at < cutoff) then break end
      S.count = S.count - 1
      S.bytes = S.bytes - size
      if A[name] == nil then
        A[name] = false
        names[#names + 1] = name
      end
      due[i] = {seq, tag, name, key}
    end
    if #due == 0 then return end
    loadAddresses(names)
    for i = 1, #due do
      local seq, name, key = due[i][1], due[i][3], due[i][4]
      local a, id = A[name], int(seq)
      local spot = id .. '-' .. int(due[i][2])
      H['e' .. id] = false
      dropOldest(a)
      -- Events before the newest value are superseded: their eviction loses nothing.
      if seq >= a.base then a.evicted = spot end
      if i == #due then S.evicted = later(S.evicted, spot) end
      if key ~= '' then
        local field = keyField(name, key)
        local record = H[field]
        if record == nil then record = call('HGET', LOG, field) end
        -- An aged event may have lost its key to a newer one.
        if record and match(record, '^%S+') == spot then H[field] = false end
      end
      markIdle(a)
    end
    passed = passed + #due
    most = most - #due
    if #due < #items then return end
    step = 64
  end
end

local function evictValues(most)
  if S.values <= input.me and S.vbytes <= input.mb then return end
  local items = first('v', 'w', most)
  local names = {}
  for i = 1, #items do
    local name = sub(items[i], 10)
    if not A[name] then names[#names + 1] = name end
  end
  loadAddresses(names)
  for i = 1, #items do
    if S.values <= input.me and S.vbytes <= input.mb then return end
    local a = A[sub(items[i], 10)]
    a.evicted = a.latest
    S.evicted = later(S.evicted, a.latest)
    dropValue(a)
    markIdle(a)
  end
end

local function forgetAddresses(most)
  if S.idle <= ${MAX_WATERMARKS} then return end
  local items = first('d', 'e', math.min(most, S.idle - ${MAX_WATERMARKS} + 100))
  local names = {}
  for i = 1, #items do
    local name = sub(items[i], 10)
    if not A[name] then names[#names + 1] = name end
  end
  loadAddresses(names)
  for i = 1, #items do
    local name = sub(items[i], 10)
    S.forgotten = later(S.forgotten, A[name].evicted)
    A[name] = nil
    H['a' .. name] = false
    Z[items[i]] = false
  end
  S.idle = S.idle - #items
end

local function forgetBatches()
  if S.batches <= input.hb + 100 then return end
  local oldest = call('LINDEX', ORDER, 0)
  local held = oldest and unpackBytes('>I8', oldest) or S.seq + 1
  local second = first('b', 'c', 2)[2]
  if not second or seqIn(second) > held then return end
  local items = first('b', 'c', math.min(${EVICT_EVENTS}, S.batches - input.hb) + 1)
  for i = 1, #items - 1 do
    local following = seqIn(items[i + 1])
    if following > held then break end
    Z[items[i]] = false
    S.batches = S.batches - 1
    S.history = following
  end
end

local function forgetWriters()
  if S.writers <= ${MAX_WRITERS} then return end
  local items = first('w', 'x', 100)
  for i = 1, #items do
    Z[items[i]] = false
    H['w' .. sub(items[i], 10)] = false
  end
  S.writers = S.writers - #items
end

-- Down to the bounds; past a bound a little further, so that one eviction serves many appends.
local function evict(most)
  local events, bytes = input.me, input.mb
  if S.count > events or S.bytes > bytes then events, bytes = input.le, input.lb end
  evictOld(most, events, bytes, now - input.ma)
  flush()
  local isOver = S.values > input.me or S.vbytes > input.mb
  if isOver or S.idle > ${MAX_WATERMARKS} or S.batches > input.hb or S.writers > ${MAX_WRITERS} then
    evictValues(most)
    forgetAddresses(most)
    forgetBatches()
    forgetWriters()
    flush()
  end
end
`;

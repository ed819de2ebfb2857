/** The Redis script that performs a batch of appends: all checks first, then the writes. */
import { BLOCK_EVENTS, EVICT_EVENTS, EVICT_SCRIPT, MAX_WRITERS } from './script-evict.ts';
import { STATE_SCRIPT } from './script-state.ts';

/** Most data of a batch that the tail itself holds, in UTF-16 code units. For a larger batch it holds the position. */
export const TAIL_ENTRY_SIZE: number = 16 * 1024;
/** Most events of such a batch: a script cannot pass more than some thousand arguments to a command. */
export const TAIL_ENTRY_EVENTS = 500;

/**
 * Arguments: input as JSON, then the distinct addresses, the payloads, and the idempotency keys. The input has, besides
 * what every script has: `w`, `num` the writer and the number of the batch; `tag`; `ad` the length of each address; `en`
 * for each entry the address (counted from 1), 1 for `keep: 'latest'`, and the length of the payload; `ap` the number of
 * entries of each append; `ky` for each key the append and the entry (counted from 1) and its length. Lengths are in
 * UTF-16 code units. `small`: the tail holds the events too.
 *
 * Returns the kind (`new` or `again`), the epoch and its parent, the position before and after the batch, and the
 * exceptions: `<append>:D<position>` for a duplicate, `<append>:C` for a conflict.
 */
export const APPEND_SCRIPT: string =
  STATE_SCRIPT +
  EVICT_SCRIPT +
  `
local addresses, entries, appends, keyed = input.ad, input.en, input.ap, input.ky
local firstData = #addresses + 1
local entryCount = #entries / 3
local firstKey = firstData + entryCount

local wanted = {'w' .. input.w}
for i = 1, #addresses do wanted[i + 1] = 'a' .. ARGV[i + 1] end
local keyOf, keysFrom = {}, #wanted
for i = 1, #keyed, 3 do
  local name = ARGV[entries[keyed[i + 1] * 3 - 2] + 1]
  local key = ARGV[firstKey + (i + 2) / 3]
  local field = keyField(name, key)
  keyOf[keyed[i]] = {field = field, key = key, size = keyed[i + 2], name = name, data = ARGV[firstData + keyed[i + 1]]}
  wanted[#wanted + 1] = field
  keyOf[keyed[i]].at = #wanted
end
local found = {}
for i = 1, #wanted, 1000 do
  local values = call('HMGET', LOG, unpack(wanted, i, math.min(i + 999, #wanted)))
  for j = 1, #values do found[i + j - 1] = values[j] end
end

-- The writer ----------------------------------------------------------------
local creation
if found[1] then
  local number, created, before, after, exceptions = match(found[1], '^(%d+) (%d+) (%S+) (%S+) ?(.*)$')
  if tonumber(number) > input.num then return redis.error_reply('LINEFEEDSTALE batch ' .. number) end
  if tonumber(number) == input.num then
    local failed = settle()
    if failed then return failed end
    return {'again', S.epoch, S.parent, spotOf(), before, after, exceptions}
  end
  creation = tonumber(created)
end
for i = 1, #addresses do parseAddress(ARGV[i + 1], found[i + 1]) end

-- The appends: what will be written -----------------------------------------
local before = spotOf()
local tag, tagText = input.tag, int(input.tag)
local seq = S.seq
local cutoff = now - input.ma
local events, order, records, exceptions, used = {}, {}, {}, {}, {}
local entry = 0
local prefix = tagText .. ' '
local heads = {}
for i = 1, #addresses do heads[i] = ' ' .. int(addresses[i]) .. ' ' .. ARGV[i + 1] end

local function duplicateOf(i, keyed)
  local spot, data
  if used[keyed.field] then
    spot, data = used[keyed.field].spot, used[keyed.field].data
  elseif found[keyed.at] then
    local at
    spot, at = match(found[keyed.at], '^(%S+) (%d+)$')
    -- An aged event is about to be evicted, and its key with it.
    if tonumber(at) > 0 and tonumber(at) < cutoff then return false end
    -- The event was superseded by an earlier append of this batch.
    if H[keyed.field] == false then return false end
    local record = call('HGET', LOG, 'e' .. match(spot, '^%d+'))
    if not record then return false end
    local from = match(record, '^%d+ %d+ %S+ %d+ ()')
    data = sub(record, from + #keyed.name)
  else
    return false
  end
  exceptions[#exceptions + 1] = (i - 1) .. ':' .. (data == keyed.data and 'D' .. spot or 'C')
  return true
end

for i = 1, #appends do
  local keyed = keyOf[i]
  if keyed and duplicateOf(i, keyed) then
    entry = entry + appends[i]
  else
    for _ = 1, appends[i] do
      entry = entry + 1
      local index, length = entries[entry * 3 - 2], entries[entry * 3]
      local a, data = A[ARGV[index + 1]], ARGV[firstData + entry]
      local bytes = addresses[index] + length + (keyed and keyed.size or 0)
      seq = seq + 1
      local id = int(seq)
      local spot = id .. '-' .. tagText
      if not a.id then
        S.ids = S.ids + 1
        a.id = S.ids
      elseif a.held == 0 and a.latest == '0' then
        Z['d' .. bytesOf(seqOf(a.last)) .. a.name] = false
        S.idle = S.idle - 1
      end
      local record
      if entries[entry * 3 - 1] == 1 then
        if a.latest ~= '0' then
          if a.key ~= '' then used[keyField(a.name, a.key)] = nil end
          dropValue(a)
        end
        -- The newest value is held, so an earlier eviction lost nothing.
        a.base, a.evicted, a.latest, a.size, a.key = seq, '0', spot, bytes, keyed and keyed.key or ''
        Z['v' .. bytesOf(seq) .. a.name] = true
        S.values = S.values + 1
        S.vbytes = S.vbytes + bytes
        record = prefix .. int(length) .. ' v' .. heads[index] .. data
        H['e' .. id] = record
      else
        if #a.block == ${BLOCK_EVENTS * 8} then
          H['i' .. int(a.id) .. ':' .. int(a.to)] = a.block
          a.to, a.block = a.to + 1, ''
        end
        a.block = a.block .. bytesOf(seq)
        a.held = a.held + 1
        record = prefix .. int(length) .. ' ' .. a.last .. heads[index] .. data
        order[#order + 1] = pack('>I8I4I8I4I4', seq, tag, now, bytes, #a.name) .. a.name .. (keyed and keyed.key or '')
        S.count = S.count + 1
        S.bytes = S.bytes + bytes
        events[#events + 1] = 'e' .. id
        events[#events + 1] = record
      end
      a.last = spot
      a.dirty = true
      if input.small then
        records[#records + 1] = ''
        records[#records + 1] = record
      end
      if keyed then
        H[keyed.field] = spot .. ' ' .. (entries[entry * 3 - 1] == 1 and 0 or int(now))
        used[keyed.field] = {spot = spot, data = data}
      end
    end
  end
end

-- The writes: the first one fails, and changes nothing, if the server cannot write ---------------------------------
local appended = seq - S.seq
if appended > 0 then
  S.seq, S.tag = seq, tag
  local failed = announce(spotOf(), 'e', S.epoch, 'b', before, unpack(records))
  if failed then return failed end
  local from = seq - appended + 1
  Z['b' .. bytesOf(from) .. tagText] = true
  S.batches = S.batches + 1
  if S.history == 0 then S.history = from end
else
  local failed = settle()
  if failed then return failed end
end
-- The writers that are forgotten first must not be those that still append.
if creation and S.ids - creation > ${MAX_WRITERS / 2} then
  Z['w' .. bytesOf(creation) .. input.w] = false
  S.writers = S.writers - 1
  creation = nil
end
if not creation then
  S.ids = S.ids + 1
  creation = S.ids
  Z['w' .. bytesOf(S.ids) .. input.w] = true
  S.writers = S.writers + 1
end
local after = spotOf()
exceptions = table.concat(exceptions, ',')
H['w' .. input.w] = table.concat({int(input.num), int(creation), before, after, exceptions}, ' ')
S.fields = S.fields + inSteps(LOG, 'HSET', events, 1000)
for i = 1, #order, 1000 do call('RPUSH', ORDER, unpack(order, i, math.min(i + 999, #order))) end
evict(${EVICT_EVENTS} + appended)
saveState()
return {'new', S.epoch, S.parent, before, before, after, exceptions}
`;

/** The Redis scripts that read: a page, the events past a position, and whether the log contains a position. */
import { BLOCK_EVENTS, EVICT_EVENTS, EVICT_SCRIPT } from './script-evict.ts';
import { STATE_SCRIPT } from './script-state.ts';

/** Most events in one answer of the server, however large the limit of the query: a script must be short. */
export const READ_EVENTS = 500;

/** Reads events by their sequences, in steps: a page of large events must not read many that it cannot use. */
const COLLECT = `
-- Adds sequences and records while they fit. 'take' gives the next sequence. Returns whether more remain.
local function collect(take, limit, most, records)
  local bytes, last = 0, nil
  while true do
    local wanted, sequences = {}, {}
    for i = 1, 32 do
      local seq = take()
      if not seq then break end
      sequences[i] = seq
      wanted[i] = 'e' .. int(seq)
    end
    if #wanted == 0 then return false end
    local texts = call('HMGET', LOG, unpack(wanted))
    for i = 1, #wanted do
      local record = texts[i]
      if record then
        bytes = bytes + match(record, '^%d+ (%d+)')
        if #records > 0 and (#records / 2 >= limit or bytes > most) then return true end
        records[#records + 1] = sequences[i]
        records[#records + 1] = record
      end
    end
    if #wanted < 32 then return false end
  end
end
`;

const SETTLE = `
local failed = settle()
if failed then return failed end
`;

/**
 * Arguments: input as JSON, then the addresses. The input has `f`, for each address the sequence and the tag that it
 * is read past; `limit` and `most`, the bounds of the page.
 *
 * Returns the epoch and its parent, the head, 1 if the page was cut before the head, the number and the newest evicted
 * position of each address with a loss, and for each event its sequence and its record.
 */
export const PAGE_SCRIPT: string =
  STATE_SCRIPT +
  EVICT_SCRIPT +
  COLLECT +
  SETTLE +
  `
-- A server that takes no writes (full disk, no replicas) can still be read: the first write is tried, and changes nothing.
local oldest = call('LINDEX', ORDER, 0)
local isAged = oldest and unpackBytes('>I8', oldest, 13) < now - input.ma
if isAged and not redis.pcall('LTRIM', ORDER, 0, -1).err then
  evictOld(${EVICT_EVENTS}, input.me, input.mb, now - input.ma)
  flush()
  forgetAddresses(${EVICT_EVENTS})
  flush()
  saveState()
end

local floors = input.f
local names = {}
for i = 1, #floors / 2 do names[i] = ARGV[i + 1] end
loadAddresses(names)

-- A position that is older than the known batches counts as lost, unless its event is held.
local checked = {}
local function isTooOld(seq, tag)
  if seq == 0 or seq >= S.history or seq > S.seq then return false end
  local known = checked[seq]
  if known == nil then
    known = tagAt(seq) or false
    checked[seq] = known
  end
  return known ~= tag
end

-- Sequences of an address: the value, then the events past it.
local function block(a, number)
  if number == a.to then return a.block end
  return call('HGET', LOG, 'i' .. int(a.id) .. ':' .. int(number))
end
local function at(text, index) return (unpackBytes('>I8', text, index * 8 - 7)) end

local function advance(run)
  run.next = run.next + 1
  if run.next > #run.text / 8 then
    if run.number >= run.a.to then return false end
    run.number = run.number + 1
    run.text, run.next = block(run.a, run.number), 1
    if run.text == '' then return false end
  end
  run.head = at(run.text, run.next)
  return true
end

-- The first block whose last sequence is past 'from'.
local function seek(a, from)
  local low, high = a.from, a.to
  if #a.block > 0 and at(a.block, 1) <= from then low = high end
  while low < high do
    local middle = math.floor((low + high) / 2)
    if at(block(a, middle), ${BLOCK_EVENTS}) > from then high = middle else low = middle + 1 end
  end
  return low
end

local function openRun(a, from)
  local start = math.max(from, a.base, seqOf(a.evicted))
  local number = seek(a, start)
  local run = {a = a, number = number, text = block(a, number), next = 0}
  if a.latest ~= '0' and seqOf(a.latest) > from then
    run.head = seqOf(a.latest)
    while run.next < #run.text / 8 and at(run.text, run.next + 1) <= start do run.next = run.next + 1 end
    return run
  end
  repeat
    if not advance(run) then return nil end
  until run.head > start
  return run
end

local evicted, runs = {}, {}
for i = 1, #names do
  local a = A[names[i]]
  local from, tag = floors[i * 2 - 1], floors[i * 2]
  local through = a.evicted
  if isTooOld(from, tag) then
    through = later(through, int(S.history) .. '-' .. tagAt(S.history))
  end
  if seqOf(through) > from then
    evicted[#evicted + 1] = i
    evicted[#evicted + 1] = through
  end
  if a.held > 0 or a.latest ~= '0' then
    runs[#runs + 1] = openRun(a, from)
  end
end

-- K-way merge: a binary heap of the runs by their next sequences.
local function sift(index)
  local run = runs[index]
  while true do
    local child = index * 2
    if child < #runs and runs[child + 1].head < runs[child].head then child = child + 1 end
    if child > #runs or runs[child].head >= run.head then break end
    runs[index] = runs[child]
    index = child
  end
  runs[index] = run
end
for i = math.floor(#runs / 2), 1, -1 do sift(i) end
local records = {}
local isCut = collect(function()
  local run = runs[1]
  if not run then return end
  local seq = run.head
  if not advance(run) then
    runs[1] = runs[#runs]
    runs[#runs] = nil
  end
  if runs[1] then sift(1) end
  return seq
end, input.limit, input.most, records)
return {S.epoch, S.parent, spotOf(), isCut and 1 or 0, evicted, records}
`;

/**
 * Argument: input as JSON, with `after`, the sequence to read past; `limit` and `most`.
 *
 * Returns the epoch and its parent, the head, the position that the answer reaches, 1 if events past `after` were
 * evicted, and for each event its sequence and its record.
 */
export const SINCE_SCRIPT: string =
  STATE_SCRIPT +
  COLLECT +
  SETTLE +
  `
local head = spotOf()
if S.epoch ~= input.e or input.limit == 0 then return {S.epoch, S.parent, head, head, 0, {}} end
if seqOf(S.evicted) > input.after then return {S.epoch, S.parent, head, head, 1, {}} end
local records = {}
local seq, last = input.after, math.min(S.seq, input.after + ${READ_EVENTS})
local isCut = collect(function()
  if seq < last then
    seq = seq + 1
    return seq
  end
end, input.limit, input.most, records)
if isCut then last = records[#records - 1] end
if last == S.seq then return {S.epoch, S.parent, head, head, 0, records} end
local tag = tagAt(last)
if not tag then return {S.epoch, S.parent, head, head, 1, {}} end
return {S.epoch, S.parent, head, int(last) .. '-' .. tag, 0, records}
`;

/** Argument: input as JSON, with the sequence `after` and its `tag`. Returns 1 if the epoch contains the position. */
export const CONTAINS_SCRIPT: string =
  STATE_SCRIPT +
  SETTLE +
  `
if S.epoch ~= input.e or input.after > S.seq then return 0 end
return tagAt(input.after) == input.tag and 1 or 0
`;

-- Removes the record of a job from the quarantine, if it is still as the user saw it, and requeues or deletes its entries. Entries that
-- gocraft's own tools have taken out of `dead` meanwhile are not requeued a second time.
--
-- KEYS[1]  {ns}:reaper:quarantine (hash)
-- KEYS[2]  {ns}:dead (zset)
-- KEYS[3]  {ns}:reaper:recoveries (hash)
-- KEYS[4…] {ns}:jobs:<type> (list): queue of each of its entries, in the order of their types
-- ARGV[1]  job id
-- ARGV[2]  digest of the record that the user saw
-- ARGV[3]  `release`: requeue its entries, the same bytes
--          `drop`: delete its entries from `dead`
--          `prune`: only remove the record, if its entries are not in `dead` any more
--          In each case the recoveries that led to the quarantine do not count any more.
-- ARGV[4]  a type whose entries are meant, while the others stay in quarantine; '' for all
-- ARGV[5]  `act`, or `plan` to change nothing
-- Reply    { 'done' }
--          { 'gone' }: none of these entries is in `dead`; the record is removed
--          { 'overtaken' }: the record has changed
-- Repeats its first reply when it is sent again (`includes/once.lua`).
-- Also written by: quarantine_entry, quarantine_orphan, requeue; gocraft (enqueue, fetch, its tools for dead entries).
-- LPUSH is the first write, because Redis refuses it under memory pressure, and then nothing has been written.
--- @include once
--- @include quarantine_record
--- @include audit

local quarantine, dead, recoveries = unpack(KEYS)
local isPlan = ARGV[5] == 'plan'
local uses = { { quarantine, 'hash', 'HGET', 'HDEL' }, { dead, 'zset', 'ZSCORE', 'ZREM' } }
local refusal = refusalOf(isPlan and typesOf(uses) or uses)
if refusal then
  return refusal
end
local id, seen, action, only = unpack(ARGV)
local text = redis.call('HGET', quarantine, id)
local record = readQuarantined(text)
if not record or redis.sha1hex(text) ~= seen then
  return { 'overtaken' }
end
local meant, others = {}, {}
for i, entry in ipairs(record.entries) do
  local isMeant = not only or only == '' or entry[1] == only
  meant[#meant + 1] = isMeant and { i, entry } or nil
  others[#others + 1] = not isMeant and entry or nil
end
local isThere = false
for _, one in ipairs(meant) do
  isThere = isThere or redis.call('ZSCORE', dead, one[2][3]) and true
end
if action == 'prune' and isThere then
  return { 'overtaken' }
end
local forgets = not refusalOf({ { recoveries, 'hash', 'HGET', 'HSET', 'HDEL' } })
local writes = {}
for n = 1, action == 'release' and #meant or 0 do
  writes[n] = { KEYS[3 + meant[n][1]], 'list', 'LPUSH' }
end
if #others > 0 then
  writes[#writes + 1] = { quarantine, 'hash', 'HSET' }
end
refusal = refusalOf(isPlan and typesOf(writes) or writes)
if refusal then
  return refusal
end
if isPlan then
  return { isThere and 'done' or 'gone' }
end
-- What an undo of a drop needs.
local dropped = { record = text, members = {}, recoveries = forgets and redis.call('HGET', recoveries, id) or nil }
for _, one in ipairs(meant) do
  local i, entry = unpack(one)
  local _, original, member = unpack(entry)
  local score = redis.call('ZSCORE', dead, member)
  if score then
    dropped.members[#dropped.members + 1] = { member, score }
    if action == 'release' then
      redis.call('LPUSH', KEYS[3 + i], original)
    end
    redis.call('ZREM', dead, member)
  end
end
local rest = #others > 0 and cjson.encode({ at = record.at, recoveries = record.recoveries, entries = others }) or nil
if rest then
  redis.call('HSET', quarantine, id, rest)
else
  redis.call('HDEL', quarantine, id)
end
if forgets then
  -- After a release or a drop no recovery counts; else only those since the entry was taken out of `dead`.
  local newer = not isThere and withoutRecoveries(redis.call('HGET', recoveries, id), record.recoveries)
  if newer then
    redis.call('HSET', recoveries, id, newer)
  else
    redis.call('HDEL', recoveries, id)
  end
end
local reply = answerOnce({ isThere and 'done' or 'gone' })
if action == 'prune' then
  return reply
end
local isUndoable = action == 'drop' and isThere
return recorded(reply, { what = action .. '-quarantined', job = id, n = #dropped.members, was = { record = seen },
  is = { record = rest and redis.sha1hex(rest) or cjson.null } }, isUndoable and cjson.encode(dropped) or nil)

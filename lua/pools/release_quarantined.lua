-- Releases a job from the quarantine, if its record is still as the user saw it: requeues its entries, the same bytes, and removes them
-- from the record. The recoveries that led to the quarantine do not count any more. Entries that gocraft's own tools have taken out of
-- `dead` meanwhile are not requeued a second time.
--
-- KEYS[1]  {ns}:reaper:quarantine (hash)
-- KEYS[2]  {ns}:dead (zset)
-- KEYS[3]  {ns}:reaper:recoveries (hash)
-- KEYS[4…] {ns}:jobs:<type> (list): queue of each of its entries, in the order of their types
-- ARGV[1]  job id
-- ARGV[2]  digest of the record that the user saw
-- ARGV[3]  a type whose entries are released, while the others stay in quarantine; '' for all
-- Reply    { 'done' }
--          { 'gone' }: none of these entries is in `dead`; the record is removed
--          { 'overtaken' }: the record has changed
--          As a plan (`includes/plan.lua`): what it would reply
-- Repeats its first reply when it is sent again (`includes/once.lua`).
-- Also written by: drop_quarantined, forget_quarantined, quarantine_entry, quarantine_orphan, requeue; gocraft (enqueue, fetch, its tools
-- for dead entries).
-- LPUSH is the first write, because Redis refuses it under memory pressure, and then nothing has been written.
--- @include once
--- @include plan
--- @include leave_quarantine
--- @include audit

local quarantine, dead, recoveries = unpack(KEYS)
local id, seen, only = unpack(ARGV)
local refusal = refusalOf(unlessPlan(usesOfLeaving(quarantine, dead)))
if refusal then
  return refusal
end
local leaving = readLeaving(quarantine, dead, recoveries, id, seen, only)
if not leaving then
  return { 'overtaken' }
end
local writes = {}
for n, one in ipairs(leaving.meant) do
  writes[n] = { KEYS[3 + one.index], 'list', 'LPUSH' }
end
if #leaving.others > 0 then
  writes[#writes + 1] = { quarantine, 'hash', 'HSET' }
end
refusal = refusalOf(unlessPlan(writes))
if refusal then
  return refusal
end
local reply = { leaving.isThere and 'done' or 'gone' }
if isPlan then
  return reply
end
for _, one in ipairs(leaving.meant) do
  if one.score then
    redis.call('LPUSH', KEYS[3 + one.index], one.original)
  end
end
local count, left = leaveQuarantine(quarantine, dead, recoveries, id, leaving)
return recorded(answerOnce(reply), { what = 'release-quarantined', job = id, n = count, was = { record = seen },
  is = { record = left or cjson.null } })

-- Drops a job from the quarantine, if its record is still as the user saw it: deletes its entries from `dead` and from the record. The
-- recoveries that led to the quarantine do not count any more. What an undo needs is kept (`includes/audit.lua`).
--
-- KEYS[1]  {ns}:reaper:quarantine (hash)
-- KEYS[2]  {ns}:dead (zset)
-- KEYS[3]  {ns}:reaper:recoveries (hash)
-- ARGV[1]  job id
-- ARGV[2]  digest of the record that the user saw
-- ARGV[3]  a type whose entries are dropped, while the others stay in quarantine; '' for all
-- Reply    { 'done' }
--          { 'gone' }: none of these entries is in `dead`; the record is removed
--          { 'overtaken' }: the record has changed
--          As a plan (`includes/plan.lua`): what it would reply
-- Repeats its first reply when it is sent again (`includes/once.lua`).
-- Also written by: release_quarantined, forget_quarantined, quarantine_entry, quarantine_orphan; gocraft (its tools for dead entries).
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
refusal = #leaving.others > 0 and refusalOf(unlessPlan({ { quarantine, 'hash', 'HSET' } })) or nil
if refusal then
  return refusal
end
local reply = { leaving.isThere and 'done' or 'gone' }
if isPlan then
  return reply
end
local dropped = { record = leaving.text, members = {},
  recoveries = leaving.forgets and redis.call('HGET', recoveries, id) or nil }
for _, one in ipairs(leaving.meant) do
  dropped.members[#dropped.members + 1] = one.score and { one.member, one.score } or nil
end
local count, left = leaveQuarantine(quarantine, dead, recoveries, id, leaving)
return recorded(answerOnce(reply), { what = 'drop-quarantined', job = id, n = count, was = { record = seen },
  is = { record = left or cjson.null } }, leaving.isThere and cjson.encode(dropped) or nil)

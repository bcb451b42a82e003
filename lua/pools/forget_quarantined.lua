-- Removes the record of a job in quarantine whose entries are not in `dead` any more, because gocraft's own tools have taken them. The
-- recoveries that led to the quarantine do not count any more.
--
-- KEYS[1]  {ns}:reaper:quarantine (hash)
-- KEYS[2]  {ns}:dead (zset)
-- KEYS[3]  {ns}:reaper:recoveries (hash)
-- ARGV[1]  job id
-- ARGV[2]  digest of the record that was read
-- Reply    { 'done' }
--          { 'overtaken' }: the record has changed, or an entry is in `dead`
-- Repeats its first reply when it is sent again (`includes/once.lua`).
-- Also written by: release_quarantined, drop_quarantined, quarantine_entry, quarantine_orphan; gocraft (its tools for dead entries).
--- @include once
--- @include leave_quarantine

local quarantine, dead, recoveries = unpack(KEYS)
local id, seen = ARGV[1], ARGV[2]
local refusal = refusalOf(usesOfLeaving(quarantine, dead))
if refusal then
  return refusal
end
local leaving = readLeaving(quarantine, dead, recoveries, id, seen, '')
if not leaving or leaving.isThere then
  return { 'overtaken' }
end
leaveQuarantine(quarantine, dead, recoveries, id, leaving)
return answerOnce({ 'done' })

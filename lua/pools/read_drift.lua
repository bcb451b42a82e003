-- Says what rebuild_counters would do with a type's counters. Writes nothing, and needs no right to write.
--
-- KEYS[1]  lock of the type
-- KEYS[2]  lock_info of the type
-- KEYS[3…] in-progress lists of the type, one a pool
-- ARGV[n]  pool id of the nth list
-- Returns  as rebuild_counters does
-- Others that touch these keys: as with rebuild_counters.
--- @include prove
--- @include drift

local lock, lockInfo = KEYS[1], KEYS[2]
local refusal = refusalOf({ { lock, 'string', 'GET' }, { lockInfo, 'hash', 'HLEN', 'HGETALL' } })
if refusal then
  return refusal
end
local drift, instead = readDrift(lock, lockInfo)
return drift and drift.reply or instead

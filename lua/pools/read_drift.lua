-- Reports what rebuild_counters would do with the counters of a type. Writes nothing, and needs no right to write.
--
-- KEYS[1]  {ns}:jobs:<type>:lock (string)
-- KEYS[2]  {ns}:jobs:<type>:lock_info (hash)
-- KEYS[3…] {ns}:jobs:<type>:<pool>:inprogress (list): one for each pool
-- ARGV[n]  pool id of the nth list
-- ARGV[last] '' to get the fingerprint; left out otherwise
-- Reply    as of rebuild_counters
-- Also written by: as for rebuild_counters.
--- @include prove
--- @include drift

local lock, lockInfo = KEYS[1], KEYS[2]
local refusal = refusalOf({ { lock, 'string', 'GET' }, { lockInfo, 'hash', 'HLEN', 'HGETALL' } })
if refusal then
  return refusal
end
local drift, instead = readDrift(lock, lockInfo)
return drift and drift.reply or instead

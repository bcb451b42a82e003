-- Sets the counters of a type to what its in-progress lists show: lock_info of a pool to the length of its list, and lock to the sum. A
-- fetch moves an entry and counts it in one script, and a finish removes and counts it in one MULTI. So lists and counters agree at every
-- moment, and counters that do not agree have drifted (defects 2 to 5).
--
-- KEYS[1]  {ns}:jobs:<type>:lock (string)
-- KEYS[2]  {ns}:jobs:<type>:lock_info (hash)
-- KEYS[3…] {ns}:jobs:<type>:<pool>:inprogress (list): one for each pool
-- ARGV[n]  pool id of the nth list. The caller limits them: with more lists, open_recount, recount_pools and close_recount do it in steps
-- ARGV[last] for the act of a plan: the fingerprint of what it does (`includes/drift.lua`); left out otherwise
-- Reply    { 'rebuilt', lock before, lock after, how many fields of lock_info were wrong, how much the lock was too high (negative: too
--            low), the sum of the errors of the fields, the fingerprint if one was given }. A value that is not a number counts as 0
--          { 'moved' }: the counters are not wrong in the way that was planned
--          { 'unknown', pool, … }: fields of lock_info whose lists were not given; the caller repeats the call with them
--          { 'many' }: lock_info has more fields than one step may read
-- Repeats its first reply when it is sent again (`includes/once.lua`).
-- Also written by: gocraft (fetch, finish, requeue, stale locks), the Go jobservice (requeue).
-- SET and HSET come before HDEL, because Redis refuses them under memory pressure, and then nothing has been written.
-- If the lock or lock_info has the wrong type, neither is changed: a fetch of the type fails then, and the two must agree. An in-progress
-- list of the wrong type holds no entry, and counts as empty.
--- @include once
--- @include drift
--- @include audit

local lock, lockInfo = KEYS[1], KEYS[2]
local refusal = refusalOf({ { lock, 'string', 'GET', 'SET' }, { lockInfo, 'hash', 'HLEN', 'HGETALL', 'HSET', 'HDEL' } })
if refusal then
  return refusal
end
local drift, instead = readDrift(lock, lockInfo)
if not drift then
  return instead
end
if drift.fingerprint ~= ARGV[#KEYS - 1] then
  return { 'moved' }
end
local sum = tostring(drift.sum)
if drift.before ~= sum then
  redis.call('SET', lock, string.format('%d', drift.sum))
end
for i = 1, #KEYS - 2 do
  local pool = ARGV[i]
  local length = drift.truth[pool]
  if length > 0 and drift.counted[pool] ~= tostring(length) then
    redis.call('HSET', lockInfo, pool, length)
  end
end
for i = 1, #KEYS - 2 do
  local pool = ARGV[i]
  local length = drift.truth[pool]
  if length == 0 and drift.counted[pool] and drift.counted[pool] ~= '0' then
    redis.call('HDEL', lockInfo, pool)
  end
end
if drift.before == sum and drift.fields == 0 then
  return drift.reply
end
return recorded(answerOnce(drift.reply), { what = 'rebuild-counters', n = drift.fields, was = { lock = drift.before },
  is = { lock = sum } })

-- Makes a type's counters what its in-progress lists say: lock_info of a pool is the length of its list, lock is the
-- sum. A fetch moves an entry and counts it in one script, a finish takes it and counts it in one MULTI, so list and
-- counter agree at every moment; one that disagrees has drifted (defects 2 to 5), and this mends it.
--
-- KEYS[1]  lock of the type
-- KEYS[2]  lock_info of the type
-- KEYS[3…] in-progress lists of the type, one a pool
-- ARGV[n]  pool id of the nth list
-- ARGV is bounded by the caller: of a type with more lists the lock and lock_info are made right in steps (recount_pools).
-- Returns  { lock before, lock after, fields of lock_info that were mended, by how much the lock was too high (below 0:
--          too low), the sum of what the fields were off }, or { `unknown`, pool, … }: fields of lock_info whose lists
--          were not given, for which the caller asks again with them; or { `many` } where there are more fields than one
--          step may read. What is no number counts as 0
-- Others that touch these keys: gocraft's fetch, finish, requeue and stale locks; the Go jobservice's requeue.
-- SET and HSET come before HDEL: under memory pressure Redis refuses them, and then nothing at all has been written.
-- A lock or lock_info of the wrong type refuses all: the other one is left too, for a fetch of the type fails on the one, and
-- the two must agree. An in-progress list of the wrong type holds no entry, and counts as none.
--- @include once
--- @include drift

local lock, lockInfo = KEYS[1], KEYS[2]
local refusal = refusalOf({ { lock, 'string', 'GET', 'SET' }, { lockInfo, 'hash', 'HLEN', 'HGETALL', 'HSET', 'HDEL' } })
if refusal then
  return refusal
end
local drift, instead = readDrift(lock, lockInfo)
if not drift then
  return instead
end
local sum = tostring(drift.sum)
if drift.before ~= sum then
  redis.call('SET', lock, string.format('%d', drift.sum))
end
for _, pool in ipairs(ARGV) do
  local length = drift.truth[pool]
  if length > 0 and drift.counted[pool] ~= tostring(length) then
    redis.call('HSET', lockInfo, pool, length)
  end
end
for _, pool in ipairs(ARGV) do
  local length = drift.truth[pool]
  if length == 0 and drift.counted[pool] and drift.counted[pool] ~= '0' then
    redis.call('HDEL', lockInfo, pool)
  end
end
if drift.before == sum and drift.fields == 0 then
  return drift.reply
end
return answerOnce(drift.reply)

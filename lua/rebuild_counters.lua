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
--- @include count

local lock, lockInfo = KEYS[1], KEYS[2]
local refusal = refusalOf({ { lock, 'string', 'GET', 'SET' }, { lockInfo, 'hash', 'HLEN', 'HGETALL', 'HSET', 'HDEL' } })
if refusal then
  return refusal
end
if redis.call('HLEN', lockInfo) > 1000 then
  return { 'many' }
end
local truth, unknown = {}, { 'unknown' }
local sum = 0
for i = 1, #ARGV do
  local length = redis.pcall('LLEN', KEYS[i + 2])
  if type(length) ~= 'number' then
    local found = redis.call('TYPE', KEYS[i + 2]).ok
    if found == 'list' or found == 'none' then
      return redis.error_reply('NOPERM this user has no permission to run LLEN on ' .. KEYS[i + 2])
    end
  end
  truth[ARGV[i]] = type(length) == 'number' and length or 0
  sum = sum + truth[ARGV[i]]
end
local counted = {}
local fields = redis.call('HGETALL', lockInfo)
for i = 1, #fields, 2 do
  counted[fields[i]] = fields[i + 1]
  if not truth[fields[i]] then
    unknown[#unknown + 1] = fields[i]
  end
end
if #unknown > 1 then
  return unknown
end
local before = redis.call('GET', lock) or '0'
local mended, off = 0, 0
local function mend(count, length)
  mended = mended + 1
  off = off + math.abs(countIn(count) - length)
end
if before ~= tostring(sum) then
  redis.call('SET', lock, string.format('%d', sum))
end
for i = 1, #ARGV do
  local pool = ARGV[i]
  local length, count = truth[pool], counted[pool] or '0'
  if length > 0 and count ~= tostring(length) then
    redis.call('HSET', lockInfo, pool, length)
    mend(count, length)
  end
end
for i = 1, #ARGV do
  local pool = ARGV[i]
  if truth[pool] == 0 and counted[pool] and counted[pool] ~= '0' then
    redis.call('HDEL', lockInfo, pool)
    mend(counted[pool], 0)
  end
end
local drift = { before, tostring(sum), mended, string.format('%.0f', countIn(before) - sum), string.format('%.0f', off) }
if before == tostring(sum) and mended == 0 then
  return drift
end
return answerOnce(drift)

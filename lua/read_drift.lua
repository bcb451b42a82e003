-- Says what rebuild_counters would do with a type's counters. Writes nothing, and needs no right to write.
--
-- KEYS[1]  lock of the type
-- KEYS[2]  lock_info of the type
-- KEYS[3…] in-progress lists of the type, one a pool
-- ARGV[n]  pool id of the nth list
-- Returns  as rebuild_counters does
-- Others that touch these keys: as with rebuild_counters.
--- @include prove
--- @include count

local lock, lockInfo = KEYS[1], KEYS[2]
local refusal = refusalOf({ { lock, 'string', 'GET' }, { lockInfo, 'hash', 'HLEN', 'HGETALL' } })
if refusal then
  return refusal
end
if redis.call('HLEN', lockInfo) > 1000 then
  return { 'many' }
end
local truth, sum = {}, 0
for i = 1, #ARGV do
  local found = redis.call('TYPE', KEYS[i + 2]).ok
  truth[ARGV[i]] = found == 'list' and redis.call('LLEN', KEYS[i + 2]) or 0
  sum = sum + truth[ARGV[i]]
end
local counted, unknown = {}, { 'unknown' }
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
local wrong, off = 0, 0
for pool, length in pairs(truth) do
  local count = counted[pool] or '0'
  if count ~= tostring(length) then
    wrong = wrong + 1
    off = off + math.abs(countIn(count) - length)
  end
end
return { before, tostring(sum), wrong, string.format('%.0f', countIn(before) - sum), string.format('%.0f', off) }

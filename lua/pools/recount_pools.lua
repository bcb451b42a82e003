-- One step of a recount of a type with entries in many pools: sets the fields of some pools in lock_info to the lengths of their in-progress
-- lists. A fetch and a finish change a list and its field together, so a field that was set stays right. `close_recount` sets the lock.
--
-- KEYS[1]  {ns}:jobs:<type>:lock_info (hash)
-- KEYS[2…] {ns}:jobs:<type>:<pool>:inprogress (list): one for each pool
-- ARGV[n]  pool id of the nth list
-- Reply    { 'done', entries in these lists, how many fields were wrong, the sum of their errors }
-- Repeats its first reply when it is sent again (`includes/once.lua`).
-- Also written by: gocraft (fetch, finish, requeue, stale locks), the Go jobservice (requeue).
-- HSET comes before HDEL, because Redis refuses it under memory pressure, and then nothing has been written.
-- An in-progress list of the wrong type holds no entry, and counts as empty.
--- @include once
--- @include count
--- @include list_length
--- @include audit

local lockInfo = KEYS[1]
local refusal = refusalOf({ { lockInfo, 'hash', 'HMGET', 'HSET', 'HDEL' } })
if refusal then
  return refusal
end
local lengths, sum = {}, 0
for i = 1, #ARGV do
  local length, noRight = lengthOf(KEYS[i + 1])
  if not length then
    return noRight
  end
  lengths[i] = length
  sum = sum + length
end
local counts = #ARGV > 0 and redis.call('HMGET', lockInfo, unpack(ARGV)) or {}
local set, gone, fields, off = {}, {}, 0, 0
for i = 1, #ARGV do
  local length, count = lengths[i], counts[i]
  if (count or '0') ~= tostring(length) then
    fields = fields + 1
    off = off + math.abs(countIn(count) - length)
    if length > 0 then
      set[#set + 1] = ARGV[i]
      set[#set + 1] = length
    end
  end
  -- A missing field counts as 0. Without fields of 0 there is less to read the next time.
  if count and length == 0 then
    gone[#gone + 1] = ARGV[i]
  end
end
if #set > 0 then
  redis.call('HSET', lockInfo, unpack(set))
end
if #gone > 0 then
  redis.call('HDEL', lockInfo, unpack(gone))
end
local reply = { 'done', sum, fields, string.format('%.0f', off) }
if fields == 0 then
  return reply
end
return recorded(answerOnce(reply), { what = 'rebuild-counters', n = fields })

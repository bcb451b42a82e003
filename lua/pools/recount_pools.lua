-- One step of a recount of a type that many pools hold entries of: makes lock_info of some pools what their in-progress lists
-- say, each in the step that reads it. A fetch and a finish change the list and its field together, so a field that was made
-- right stays right. The lock is left: `recount_lock` sets it.
--
-- KEYS[1]  lock_info of the type
-- KEYS[2…] in-progress lists of the type, one a pool
-- ARGV[n]  pool id of the nth list
-- Returns  { entries in these lists, fields that were made right, the sum of what they were off }
-- Others that touch these keys: gocraft's fetch, finish, requeue and stale locks; the Go jobservice's requeue.
-- HSET comes before HDEL: under memory pressure Redis refuses it, and then nothing at all has been written.
-- An in-progress list of the wrong type holds no entry, and counts as none.
--- @include once
--- @include count
--- @include list_length

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
  -- A count of 0 says what no count says. Without it there is less to read the next time.
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
local answer = { sum, fields, string.format('%.0f', off) }
if fields == 0 then
  return answer
end
return answerOnce(answer)

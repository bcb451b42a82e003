--- @include count
--- @include list_length

-- Compares the counters of a type with its in-progress lists, which are KEYS from the third on, of the pools in ARGV. Returns
-- { truth: pool → length, counted: pool → count in lock_info, before: the lock, sum: what it should be, fields: how many are wrong,
-- reply: the reply of rebuild_counters }; or nil and another reply.
local function readDrift(lock, lockInfo)
  if redis.call('HLEN', lockInfo) > 1000 then
    return nil, { 'many' }
  end
  local truth, sum = {}, 0
  for i = 1, #ARGV do
    local length, refusal = lengthOf(KEYS[i + 2])
    if not length then
      return nil, refusal
    end
    truth[ARGV[i]] = length
    sum = sum + length
  end
  local counted, unknown = {}, { 'unknown' }
  local flat = redis.call('HGETALL', lockInfo)
  for i = 1, #flat, 2 do
    counted[flat[i]] = flat[i + 1]
    if not truth[flat[i]] then
      unknown[#unknown + 1] = flat[i]
    end
  end
  if #unknown > 1 then
    return nil, unknown
  end
  local before, fields, off = redis.call('GET', lock) or '0', 0, 0
  for pool, length in pairs(truth) do
    local count = counted[pool] or '0'
    if count ~= tostring(length) then
      fields = fields + 1
      off = off + math.abs(countIn(count) - length)
    end
  end
  local reply = { 'rebuilt', before, tostring(sum), fields, string.format('%.0f', countIn(before) - sum), string.format('%.0f', off) }
  return { truth = truth, counted = counted, before = before, sum = sum, fields = fields, reply = reply }
end

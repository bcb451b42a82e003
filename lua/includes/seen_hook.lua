--- @include hook_record

-- What `refusalOf` has to prove before a script changes a hook for a user.
local function usesOfSeen(hooks, parked, origins, due)
  return { hooks, 'hash', 'HGET', 'HSET', 'EXPIRE' }, { parked, 'zset', 'ZSCORE', 'ZADD', 'ZREM', 'EXPIRE' },
    { origins, 'set', 'SADD', 'EXPIRE' }, { due, 'zset', 'ZSCORE', 'ZADD', 'ZREM', 'EXPIRE' }
end

-- The record of a hook, and the facts of it that the audit stream keeps. Returns nil if the record is not as the user saw it, or a
-- host is sending it.
local function readSeen(hooks, parked, due, id, seen, at)
  local text = redis.call('HGET', hooks, id)
  local record = readRecord(text)
  -- After the end of a claim no host is sending it.
  local isSending = record and isClaimed(record) and (tonumber(redis.call('ZSCORE', due, id) or '') or 0) > at
  if not record or text ~= seen or isSending then
    return nil
  end
  return record,
    { hook = text, due = redis.call('ZSCORE', due, id) or nil, parked = redis.call('ZSCORE', parked, id) or nil }
end

-- Subtracts one from a job's count in the tracking hash, and removes the job at zero. The Go side writes 2 when it saves a
-- job. Its final status subtracts one, and the acknowledgement of that status the other. A count that is not an integer is read as
-- 2, so that it cannot keep a job tracked forever.
local function countDown(track, id)
  local count = redis.call('HGET', track, id)
  if not count then
    return
  end
  local number = string.match(count, '^-?%d+$') and #count < 16 and tonumber(count) or 2
  if number - 1 > 0 then
    redis.call('HSET', track, id, string.format('%d', number - 1))
  else
    redis.call('HDEL', track, id)
  end
end

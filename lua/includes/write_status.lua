-- Writes a status as the Go side does: the time of the update, for a final one the count in the tracking hash and the
-- time to live (a day; a week for Error). Counted down only where the status changes: writing a final status twice
-- must not take the half that belongs to its acknowledgement (defect 27). A job that starts again, or in a newer attempt than
-- was known, loses the time to live that an end gave it, or it would be gone while it runs (fault 113).
-- HSET comes first: under memory pressure Redis refuses it, and then nothing at all has been written.
local function writeStatus(stats, track, id, status, revision)
  local before = redis.call('HGET', stats, 'status')
  if revision then
    redis.call('HSET', stats, 'status', status, 'update_time', now(), 'revision', revision)
  else
    redis.call('HSET', stats, 'status', status, 'update_time', now())
  end
  if rank(status) == 3 then
    if before ~= status then
      countDown(track, id)
    end
    redis.call('EXPIRE', stats, status == 'Error' and 604800 or 86400)
  elseif rank(before) == 3 or revision then
    redis.call('PERSIST', stats)
  end
end

-- What that needs, to be proven beforehand.
local function usesOfStatus(stats, track, status)
  if rank(status) == 3 then
    return { stats, 'hash', 'EXISTS', 'HGET', 'HMGET', 'HSET', 'EXPIRE' }, { track, 'hash', 'HGET', 'HSET', 'HDEL' }
  end
  return { stats, 'hash', 'EXISTS', 'HGET', 'HMGET', 'HSET', 'PERSIST' }
end

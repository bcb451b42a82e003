-- Writes a status as the Go side does: with the time of the update; for a final status with the count in the tracking hash and a
-- time to live (a day; a week for Error). It counts down only if the status changes: writing a final status twice must not take
-- the count that belongs to its acknowledgement (defect 27). A job that starts again, or has a newer revision, loses the time to
-- live that its end has set: its stats must not expire while it runs (fault 113).
-- HSET comes first: under memory pressure Redis refuses it, and then nothing has been written. Returns the time of the update.
local function writeStatus(stats, track, id, status, revision)
  local before, time = redis.call('HGET', stats, 'status'), now()
  if revision then
    redis.call('HSET', stats, 'status', status, 'update_time', time, 'revision', revision)
  else
    redis.call('HSET', stats, 'status', status, 'update_time', time)
  end
  if rank(status) == 3 then
    if before ~= status then
      countDown(track, id)
    end
    redis.call('EXPIRE', stats, status == 'Error' and 604800 or 86400)
  elseif rank(before) == 3 or revision then
    redis.call('PERSIST', stats)
  end
  return time
end

-- What `refusalOf` has to prove before `writeStatus` may be called.
local function usesOfStatus(stats, track, status)
  if rank(status) == 3 then
    return { stats, 'hash', 'EXISTS', 'HGET', 'HMGET', 'HSET', 'EXPIRE' }, { track, 'hash', 'HGET', 'HSET', 'HDEL' }
  end
  return { stats, 'hash', 'EXISTS', 'HGET', 'HMGET', 'HSET', 'PERSIST' }
end

-- What becomes of the record of a job (nil for none) when its receiver is to be told of a state: a reply, and the new
-- record where there is to be one. It says nothing about the job itself, so it need not check what was judged: whoever
-- sends it looks at the stats again, and drops it where there is nothing to tell.
--
-- Replies: `queued` (it is under way, or was already), `parked` (this very state has been given up), `deferred` (there are
--          as many records as may be)
local function noteChange(record, state, origin, hasRoom)
  if record and record.state == state then
    return record.kind == 'parked' and 'parked' or 'queued'
  end
  -- Somebody is sending it: when that is over, it is looked at again, for the stats will say more than what was sent.
  if record and isClaimed(record) then
    return 'queued'
  end
  if not record and not hasRoom then
    return 'deferred'
  end
  return 'queued', { kind = 'pending', state = state, origin = origin, attempts = 0, first = 0, last = 0, answer = '-' }
end

-- Redis may have evicted a queue (every key here has a time to live) and left the records: what stands in none is put
-- there again, later than any claim lasts, for it may be one that is being sent.
local lostAfter = 60000
local function mayBeLost(record, origin)
  return record and record.kind ~= 'parked' and record.origin == origin
end

-- How many more records there may be for a receiver. One that nothing much waits for may go a quarter beyond the bound, so
-- that those of a receiver that is dead, or knows no job, don't keep others from being told at all.
local function roomFor(hooks, due, most)
  local count = redis.call('HLEN', hooks)
  local short = 100 - redis.call('ZCARD', due)
  return math.max(most - count, math.min(short, math.ceil(1.25 * most) - count))
end

-- What that needs, to be proven beforehand.
local function usesOfHook(hooks, parked, origins, due)
  return { hooks, 'hash', 'HGET', 'HLEN', 'HSET', 'EXPIRE' }, { parked, 'zset', 'ZREM', 'EXPIRE' },
    { origins, 'set', 'SADD', 'EXPIRE' }, { due, 'zset', 'ZCARD', 'ZADD', 'EXPIRE' }
end

-- Notes a change of one job.
local function enqueueHook(hooks, parked, origins, due, id, state, origin, at, most)
  local record = readRecord(redis.call('HGET', hooks, id))
  local reply, new = noteChange(record, state, origin, record or roomFor(hooks, due, most) > 0)
  redis.call('SADD', origins, origin)
  if new then
    redis.call('HSET', hooks, id, recordText(new))
    redis.call('ZADD', due, at, id)
    redis.call('ZREM', parked, id)
  elseif mayBeLost(record, origin) then
    redis.call('ZADD', due, 'NX', at + lostAfter, id)
  end
  return reply
end

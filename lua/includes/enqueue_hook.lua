-- Decides what happens to the record of a job (nil for none) when its endpoint must receive a state. Returns the
-- outcome, and the text of the new record if there is one. It does not check the job itself: the sender reads the stats
-- again, and drops the record if there is nothing to send.
--
-- Outcomes: `enqueued`, with the new record; `already-pending` (the record of this state waits or is claimed), `parked`
-- (delivery of this state was given up), `deferred` (the limit of records is reached).
local function recordChange(record, state, origin, hasRoom)
  if record and record.state == state then
    return record.kind == 'parked' and 'parked' or 'already-pending'
  end
  -- A host is sending it. After that it compares the stats, which then differ from what was sent.
  if record and isClaimed(record) then
    return 'already-pending'
  end
  if not record and not hasRoom then
    return 'deferred'
  end
  return 'enqueued', newRecordText(state, origin)
end

-- Redis may evict a queue, because every key here has a time to live, and keep the records. A record that may be in no queue
-- is queued again, for `requeueAfter` later, because a host may be sending it.
local function mayBeUnqueued(record, origin)
  return record and record.kind ~= 'parked' and record.origin == origin
end

-- How many records may be added for an endpoint. An endpoint with few hooks may exceed the limit by a quarter, so that the
-- hooks of a dead endpoint do not block the others.
local function roomFor(hooks, due, maxRecords)
  local count = redis.call('HLEN', hooks)
  local missing = 100 - redis.call('ZCARD', due)
  return math.max(maxRecords - count, math.min(missing, math.ceil(1.25 * maxRecords) - count))
end

-- What `refusalOf` has to prove before enqueueHook may be called.
local function usesOfHook(hooks, parked, origins, due)
  return { hooks, 'hash', 'HGET', 'HLEN', 'HSET', 'EXPIRE' }, { parked, 'zset', 'ZREM', 'EXPIRE' },
    { origins, 'set', 'SADD', 'EXPIRE' }, { due, 'zset', 'ZCARD', 'ZADD', 'EXPIRE' }
end

-- Records that the endpoint of one job must receive a state.
local function enqueueHook(hooks, parked, origins, due, id, state, origin, at, maxRecords)
  local text = redis.call('HGET', hooks, id)
  local record = readRecord(text)
  if text and not record then
    -- The next sweep reports it.
    return 'refused'
  end
  local outcome, new = recordChange(record, state, origin, record or roomFor(hooks, due, maxRecords) > 0)
  redis.call('SADD', origins, origin)
  if new then
    redis.call('HSET', hooks, id, new)
    redis.call('ZADD', due, at, id)
    redis.call('ZREM', parked, id)
  elseif mayBeUnqueued(record, origin) then
    redis.call('ZADD', due, 'NX', at + requeueAfter, id)
  end
  return outcome
end

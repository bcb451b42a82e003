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
  if record and record.kind == 'sending' then
    return 'queued'
  end
  if not record and not hasRoom then
    return 'deferred'
  end
  return 'queued', { kind = 'pending', state = state, origin = origin, attempts = 0, first = 0, last = 0, answer = '-' }
end

-- Notes a change of one job.
local function enqueueHook(hooks, parked, origins, due, id, state, origin, at, most)
  local record = readRecord(redis.call('HGET', hooks, id))
  local reply, new = noteChange(record, state, origin, record or redis.call('HLEN', hooks) < most)
  redis.call('SADD', origins, origin)
  if new then
    redis.call('HSET', hooks, id, recordText(new))
    redis.call('ZADD', due, at, id)
    redis.call('ZREM', parked, id)
  end
  return reply
end

-- Nothing of it stays for ever, whoever uses the namespace after us: 90 days after the last change.
local function keepHooks(...)
  for _, key in ipairs({ ... }) do
    redis.call('EXPIRE', key, 7776000)
  end
end

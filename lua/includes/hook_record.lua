--- @include now_ms

-- The record of a job's undelivered change: a text of seven words with blanks between,
--
--   kind state origin attempts first last answer
--
-- kind:     `pending`, or `asked` (a person asked for it: its age does not count), or `sending` (claimed by a host until
--           the time that stands in the endpoint's queue), or `resending` (the same of one that was asked for), or `parked`
--           (not sent again until the job changes or a person says so)
-- state:    status:revision of the job that the record is about
-- origin:   scheme, host and port of the receiver: which queue it stands in
-- attempts: how often it was claimed; first, last: unix s of the first and the last claim, 0 before it
-- answer:   what came back last, a word; `-` before it
--
-- The event itself is not kept: it is built from the stats when it is sent, so that only the newest change goes out.
local function readRecord(text)
  if not text then
    return nil
  end
  local kind, state, origin, attempts, first, last, answer =
    string.match(text, '^(%S+) (%S+) (%S+) (%d+) (%d+) (%d+) (%S+)$')
  if not kind then
    return nil
  end
  return { kind = kind, state = state, origin = origin, attempts = tonumber(attempts), first = tonumber(first),
    last = tonumber(last), answer = answer }
end

local function recordText(record)
  return string.format('%s %s %s %d %d %d %s', record.kind, record.state, record.origin, record.attempts, record.first,
    record.last, record.answer)
end

local function isClaimed(record)
  return record.kind == 'sending' or record.kind == 'resending'
end

local function writeRecord(hooks, id, record)
  redis.call('HSET', hooks, id, recordText(record))
end

-- The clock of Redis in ms; a time that is given stands for it: only tests give one, in which hours pass.
local function nowMs(given)
  if given ~= '' then
    return tonumber(given)
  end
  return redisMs()
end

-- What stands of a job, as the `state` of a record. Never an error, whatever the key holds: one bad record must not keep
-- a receiver's others from being sent.
local function stateOf(stats)
  local values = redis.pcall('HMGET', stats, 'status', 'revision')
  if values.err or not values[1] then
    return 'none:0'
  end
  return string.gsub(values[1], '%s', '_') .. ':' .. string.format('%d', tonumber(values[2] or '') or 0)
end

-- Nothing of it stays for ever, whoever uses the namespace after us: 90 days after the last change.
local function keepHooks(...)
  for _, key in ipairs({ ... }) do
    redis.call('EXPIRE', key, 7776000)
  end
end

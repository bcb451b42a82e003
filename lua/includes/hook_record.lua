--- @include now_ms

-- The record of an undelivered hook: a field of the hash {ns}:reaper:hooks, seven words separated by blanks.
--
--   kind state origin attempts first last answer
--
-- kind:     `pending`; `asked` (a user asked for it, however old it is); `sending` (a host has claimed it, until its score in
--           the endpoint's queue); `resending` (claimed, and asked for); `parked` (not sent until the job changes or a user asks)
-- state:    status:revision of the job that the hook reports
-- origin:   scheme, host and port of the endpoint, which names its queue
-- attempts: how often it was claimed for this state
-- first, last: when it was claimed for the first and the last time, unix s; 0 for never
-- answer:   the last answer, a word; `-` for none
--
-- The record holds no event. The sender builds it from the stats, so that it always reports the newest change.
local KINDS = { pending = true, asked = true, sending = true, resending = true, parked = true }

-- Returns nil for no record, and for one that cannot be read: the latter stays as it is, whatever the job does.
local function readRecord(text)
  if not text then
    return nil
  end
  local kind, state, origin, attempts, first, last, answer =
    string.match(text, '^(%S+) (%S+) (%S+) (%d+) (%d+) (%d+) (%S+)$')
  if not KINDS[kind] then
    return nil
  end
  return { kind = kind, state = state, origin = origin, attempts = tonumber(attempts), first = tonumber(first),
    last = tonumber(last), answer = answer }
end

local function recordText(record)
  return string.format('%s %s %s %d %d %d %s', record.kind, record.state, record.origin, record.attempts, record.first,
    record.last, record.answer)
end

-- The text of a record that waits for its first attempt.
local function newRecordText(state, origin)
  return 'pending ' .. state .. ' ' .. origin .. ' 0 0 0 -'
end

local function isClaimed(record)
  return record.kind == 'sending' or record.kind == 'resending'
end

-- How long a hook waits for its first attempt at most (ms): one that may be in no queue is queued again for so much later.
local requeueAfter = 60000

-- Whether a hook that is due in more than `requeueAfter` has a time of before the clock of Redis went back: it waits for its first
-- attempt, or its last one is still to come.
local function isMisdated(record, at)
  return record.attempts == 0 or record.last * 1000 > at + 1000
end

local function writeRecord(hooks, id, record)
  redis.call('HSET', hooks, id, recordText(record))
end

-- The time of Redis in ms. Tests pass another time, to let hours pass.
local function nowMs(given)
  if given ~= '' then
    return tonumber(given)
  end
  return redisMs()
end

-- A state as in a record, by two values of the stats.
local function stateBy(status, revision)
  if not status then
    return 'none:0'
  end
  return string.gsub(status, '%s', '_') .. ':' .. string.format('%d', tonumber(revision or '') or 0)
end

-- The present state of a job, as in a record. Never raises an error, whatever the key holds: a bad record must not block the
-- other hooks of its endpoint.
local function stateOf(stats)
  local values = redis.pcall('HMGET', stats, 'status', 'revision')
  return stateBy(values[1], values[2])
end

-- Lets the keys expire 90 days after the last change, in case the namespace is used without a reaper later.
local function keepHooks(...)
  for _, key in ipairs({ ... }) do
    redis.call('EXPIRE', key, 7776000)
  end
end

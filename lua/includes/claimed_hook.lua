--- @include hook_record
--- @include hook_endpoint

-- The record of a hook, by its text, that a host has claimed until `claimEnd` (ms, as a text). Returns nil if the claim has
-- expired: the hook is gone, or another host has claimed it.
local function claimedRecord(text, due, id, claimEnd)
  local record = readRecord(text)
  local isClaimedByCaller = record and isClaimed(record)
    and tonumber(redis.call('ZSCORE', due, id) or '') == tonumber(claimEnd)
  return isClaimedByCaller and record or nil
end

local function readClaimed(hooks, due, id, claimEnd)
  return claimedRecord(redis.call('HGET', hooks, id), due, id, claimEnd)
end

-- Makes a claimed hook due again, at `at` (ms).
local function makeDue(hooks, due, id, record, at)
  record.kind = record.kind == 'resending' and 'asked' or 'pending'
  writeRecord(hooks, id, record)
  redis.call('ZADD', due, at, id)
end

-- The job has changed since it was claimed: its present state is due now, with attempts of its own.
local function startAgain(hooks, due, id, record, state, at)
  redis.call('HSET', hooks, id, newRecordText(state, record.origin))
  redis.call('ZADD', due, at, id)
end

-- Gives a claimed hook up until its job changes or a user asks for it.
local function park(hooks, parked, due, id, record, reason, at)
  record.kind, record.answer = 'parked', reason
  writeRecord(hooks, id, record)
  redis.call('ZREM', due, id)
  redis.call('ZADD', parked, at, id)
  keepHooks(parked)
end

-- Removes the records of hooks, whose ids come last.
local function forget(hooks, due, ...)
  redis.call('HDEL', hooks, ...)
  redis.call('ZREM', due, ...)
end

-- The present state of a job, if it exists and differs from the claimed one.
local function changedState(stats, record)
  local state = stateOf(stats)
  return state ~= 'none:0' and state ~= record.state and state or nil
end

-- When the job has checked in, by the text in its stats; 0 for never, and for what the sender does not read as a time.
local function checkInAtOf(text)
  local digits = string.match(text or '', '^[+-]?%d+$')
  local time = digits and tonumber(digits) or 0
  return time <= 2 ^ 63 and time or 0
end

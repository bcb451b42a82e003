-- Notes what became of a hook that was claimed: for the job (its ACK), for its record, and for its receiver's breaker.
--
-- KEYS[1]  stats
-- KEYS[2]  tracking hash
-- KEYS[3]  records of undelivered hooks
-- KEYS[4]  parked ones
-- KEYS[5]  queue of the receiver
-- KEYS[6]  state of the receiver
-- ARGV[1]  the empty string, or a time (ms) that stands for the clock of Redis
-- ARGV[2]  job id
-- ARGV[3]  end of the claim (ms): by it a claim that another host has taken over is known
-- ARGV[4]  failures in a row that open the breaker
-- ARGV[5]  `delivered`, then status, revision, check_in_at of what was sent, and the stored ACK to the letter where it can't
--          be read (or left out)
--          `failed`, then the answer, after how long to try again (ms), after how long since the first try no more (ms),
--          `alive` or `failing` for the receiver, how long its breaker stays open at first (ms), and the reason to park it for
--          `parked`, then the reason, and `alive` or `-` for the receiver
--          `unsent`: its host could not send it, so nothing is known of the receiver
--          `dropped`, then check_in_at of what was looked at: there is nothing to tell
-- Sent again with its token (`includes/once.lua`), it gives its first answer. One that was delivered needs none: there is
-- nothing that it does twice, and `lost` says no less.
-- Returns  `ok`, `again` (more has changed meanwhile: it is due now), `parked`, `pending`, or `lost` (another host has
--          taken the claim over; an ACK is noted all the same)
-- Others that touch these keys: every script here that has to do with hooks; stats and tracking hash: the Go jobservice.
--- @include once
--- @include rank
--- @include count_down
--- @include ack
--- @include acknowledge
--- @include hook_record

local stats, track, hooks, parked, due, endpoint = unpack(KEYS)
local at, id, claim, threshold, verb = nowMs(ARGV[1]), ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4]), ARGV[5]
local longestOpen = 600000
local UNKNOWN = { ['404'] = true, ['410'] = true }

-- Read before anything is written: what is no number must not end the script half way.
local numbers = {}
for _, i in ipairs(verb == 'delivered' and { 7, 8 } or verb == 'failed' and { 7, 8, 10 } or {}) do
  numbers[i] = assert(tonumber(ARGV[i]), 'an argument is no number')
end
local uses = {
  { hooks, 'hash', 'HGET', 'HSET', 'HDEL' },
  { due, 'zset', 'ZSCORE', 'ZADD', 'ZREM' },
  { endpoint, 'hash', 'HGET', 'HMGET', 'HSET', 'HSETNX', 'HDEL', 'EXPIRE' },
}
if verb == 'delivered' then
  uses[#uses + 1] = { stats, 'hash', 'HMGET' }
  uses[#uses + 1], uses[#uses + 2] = usesOfAck(stats, track, ARGV[6])
else
  uses[#uses + 1] = { stats, false, 'HGET', 'HMGET' }
  uses[#uses + 1] = { parked, 'zset', 'ZADD', 'EXPIRE' }
end
local refused = refusalOf(uses)
if refused then
  return refused
end

local function noteAlive()
  local failures, opens = unpack(redis.call('HMGET', endpoint, 'failures', 'opens'))
  if not failures then
    return
  end
  redis.call('HDEL', endpoint, 'failures', 'opens', 'open_until', 'probe_until', 'failing_since')
  if opens then
    redis.call('HSET', endpoint, 'tokens', '1', 'tokens_at', string.format('%d', at))
    redis.call('EXPIRE', endpoint, 7776000)
  end
end

local function noteFailing(answer, openFor)
  -- What is no number counts as 0: it must not keep the attempt from being noted.
  local before = redis.call('HMGET', endpoint, 'failures', 'opens', 'open_until')
  for i = 1, 3 do
    before[i] = tonumber(before[i] or '') or 0
  end
  local failures, opens, openUntil = before[1] + 1, before[2] + 1, before[3]
  redis.call('HSET', endpoint, 'failures', string.format('%d', failures), 'answer', answer)
  redis.call('HSETNX', endpoint, 'failing_since', string.format('%d', at))
  redis.call('EXPIRE', endpoint, 7776000)
  if failures < threshold or openUntil > at then
    return
  end
  -- What was in flight when it opened fails as well, and must not make it stay open for longer.
  local rest = math.min(longestOpen, openFor * 2 ^ math.min(opens - 1, 20))
  redis.call('HSET', endpoint, 'opens', string.format('%d', opens), 'open_until', string.format('%d', at + rest))
  redis.call('HDEL', endpoint, 'probe_until', 'tokens', 'tokens_at')
end

-- What was claimed as the probe was never sent: another may be, before its claim is over.
local function noteUnasked()
  if redis.call('HGET', endpoint, 'probe_until') == ARGV[3] then
    redis.call('HDEL', endpoint, 'probe_until')
  end
end

local record = readRecord(redis.call('HGET', hooks, id))
local isMine = record and isClaimed(record) and tonumber(redis.call('ZSCORE', due, id) or '') == claim

local function forget()
  redis.call('HDEL', hooks, id)
  redis.call('ZREM', due, id)
end
local function park(reason)
  record.kind, record.answer = 'parked', reason
  writeRecord(hooks, id, record)
  redis.call('ZREM', due, id)
  redis.call('ZADD', parked, at, id)
  keepHooks(parked)
  return 'parked'
end
-- The stats say more than what was sent, or than what was looked at: a new change, which begins anew.
local function again()
  writeRecord(hooks, id, { kind = 'pending', state = stateOf(stats), origin = record.origin, attempts = 0, first = 0,
    last = 0, answer = '-' })
  redis.call('ZADD', due, at, id)
  return 'again'
end

-- When the job has last reported; 0 for none, and for what the sender can't read as a time either.
local function checkInAtOf(key)
  local digits = string.match(redis.call('HGET', key, 'check_in_at') or '', '^[+-]?%d+$')
  local time = digits and tonumber(digits) or 0
  return time <= 2 ^ 63 and time or 0
end

local function settle()
  if verb == 'delivered' then
    acknowledge(stats, track, id, ARGV[6], ARGV[7], ARGV[8], ARGV[9])
    noteAlive()
    if not isMine then
      return 'lost'
    end
    local isThere = redis.call('EXISTS', stats) == 1
    -- Against what was claimed, and not what was sent: of an odd revision the sender reads something else, for ever.
    if isThere and (stateOf(stats) ~= record.state or checkInAtOf(stats) > numbers[8]) then
      return again()
    end
    forget()
    return 'ok'
  end
  if not isMine then
    if verb == 'failed' and ARGV[9] == 'failing' then
      noteFailing(ARGV[6], numbers[10])
    end
    return 'lost'
  end
  if verb == 'failed' then
    local answer, delay, patience = ARGV[6], numbers[7], numbers[8]
    if ARGV[9] == 'failing' then
      noteFailing(answer, numbers[10])
    else
      noteAlive()
    end
    -- A receiver that has been away for long and is back, but does not know the job yet, gets its ten minutes from now on:
    -- the patience with the one answer is not used up by the other.
    if UNKNOWN[answer] and not UNKNOWN[record.answer] then
      record.first = record.last
    end
    if at - record.first * 1000 >= patience then
      -- What has been tried for so long may not be what stands now.
      local state = stateOf(stats)
      if state ~= 'none:0' and state ~= record.state then
        return again()
      end
      return park(ARGV[11])
    end
    record.kind, record.answer = record.kind == 'resending' and 'asked' or 'pending', answer
    writeRecord(hooks, id, record)
    -- A receiver may say when to come back, but not to come back after all patience.
    redis.call('ZADD', due, at + math.min(delay, record.first * 1000 + patience - at), id)
    return 'pending'
  end
  if verb == 'unsent' then
    noteUnasked()
    record.kind = record.kind == 'resending' and 'asked' or 'pending'
    record.attempts = math.max(0, record.attempts - 1)
    if record.attempts == 0 then
      record.first, record.last = 0, 0
    else
      -- A receiver's time is not used up by hosts that can't reach it: it begins anew.
      record.first = math.floor(at / 1000)
    end
    writeRecord(hooks, id, record)
    redis.call('ZADD', due, at, id)
    return 'pending'
  end
  if verb == 'dropped' or ARGV[7] ~= 'alive' then
    noteUnasked()
  end
  -- What was looked at and found not to be told, or not to be sent, may have changed since.
  local state = stateOf(stats)
  if state ~= 'none:0' and state ~= record.state then
    return again()
  end
  if verb == 'dropped' and state ~= 'none:0' and checkInAtOf(stats) > (tonumber(ARGV[6] or '') or 0) then
    return again()
  end
  if verb == 'parked' then
    if ARGV[7] == 'alive' then
      noteAlive()
    end
    return park(ARGV[6])
  end
  forget()
  return 'ok'
end
return answerOnce(settle())

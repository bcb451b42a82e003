-- The state of an endpoint, shared by all hosts: {ns}:reaper:hooks:endpoint:<endpoint> (hash).
--
-- failures:            consecutive failures
-- failing_since:       when the first of them happened (ms)
-- answer:              the last failure, a word
-- opens, open_until:   how often the circuit breaker has opened, and until when it is open (ms)
-- probe_until:         until when a probe is claimed (ms); while it is, no other hook is sent
-- tokens, tokens_at:   the token bucket that limits the rate after a recovery, and its time (ms)
local longestOpen = 600000

-- Whether a time is still to come. One that is further ahead than anything lasts is of before the clock of Redis went back.
local function isAhead(time, at, longest)
  return time > at and time - at <= longest
end

-- What `refusalOf` has to prove before recordAlive, recordFailing or releaseProbe may be called.
local function usesOfEndpoint(endpoint)
  return { endpoint, 'hash', 'HGET', 'HMGET', 'HSET', 'HSETNX', 'HDEL', 'EXPIRE' }
end

-- The endpoint has answered. If its circuit was open, the rate is limited from now on.
local function recordAlive(endpoint, at)
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

-- The endpoint has failed. Opens its circuit for `openFor` ms or longer, doubled each time, if that was the failure number
-- `threshold` or a later one.
local function recordFailing(endpoint, at, answer, threshold, openFor)
  -- A value that is not a number counts as 0, so that it cannot keep the attempt from being recorded.
  local before = redis.call('HMGET', endpoint, 'failures', 'opens', 'open_until')
  for i = 1, 3 do
    before[i] = tonumber(before[i] or '') or 0
  end
  local failures, opens, openUntil = before[1] + 1, before[2] + 1, before[3]
  redis.call('HSET', endpoint, 'failures', string.format('%d', failures), 'answer', answer)
  redis.call('HSETNX', endpoint, 'failing_since', string.format('%d', at))
  redis.call('EXPIRE', endpoint, 7776000)
  if failures < threshold or isAhead(openUntil, at, longestOpen) then
    return
  end
  -- Attempts that were in flight when it opened fail too, and do not extend it.
  local rest = math.min(longestOpen, openFor * 2 ^ math.min(opens - 1, 20))
  redis.call('HSET', endpoint, 'opens', string.format('%d', opens), 'open_until', string.format('%d', at + rest))
  redis.call('HDEL', endpoint, 'probe_until', 'tokens', 'tokens_at')
end

-- The hook that was claimed as the probe was not sent: another one may be sent before that claim expires.
local function releaseProbe(endpoint, claimEnd)
  if redis.call('HGET', endpoint, 'probe_until') == claimEnd then
    redis.call('HDEL', endpoint, 'probe_until')
  end
end

-- Records that the host of a claim could not send the hook. That says nothing about the endpoint: the hook is due again at once, for
-- other hosts too, and the attempt does not count.
--
-- KEYS[1]  {ns}:reaper:hooks (hash)
-- KEYS[2]  {ns}:reaper:hooks:due:<endpoint> (zset)
-- KEYS[3]  {ns}:reaper:hooks:endpoint:<endpoint> (hash)
-- ARGV[1]  '', or a time in ms that replaces the clock of Redis
-- ARGV[2]  job id
-- ARGV[3]  end of the claim (ms)
-- Reply    { 'pending' }
--          { 'expired' }: the claim has expired
-- Repeats its first reply when it is sent again (`includes/once.lua`).
-- Also written by: every script of hooks.
--- @include once
--- @include claimed_hook

local hooks, due, endpoint = unpack(KEYS)
local at, id, claimEnd = nowMs(ARGV[1]), ARGV[2], ARGV[3]
local refused = refusalOf({
  { hooks, 'hash', 'HGET', 'HSET' },
  { due, 'zset', 'ZSCORE', 'ZADD' },
  { endpoint, 'hash', 'HGET', 'HDEL' },
})
if refused then
  return refused
end
local record = readClaimed(hooks, due, id, claimEnd)
if not record then
  return answerOnce({ 'expired' })
end
releaseProbe(endpoint, claimEnd)
record.attempts = math.max(0, record.attempts - 1)
if record.attempts == 0 then
  record.first, record.last = 0, 0
else
  -- The deadline starts again, because a host that cannot reach the endpoint must not use it up.
  record.first = math.floor(at / 1000)
end
makeDue(hooks, due, id, record, at)
return answerOnce({ 'pending' })

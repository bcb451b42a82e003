-- Parks a claimed hook that another attempt would not deliver: it is sent again only if its job changes or a user asks for it.
--
-- KEYS[1]  {ns}:job_stats:<id> (hash)
-- KEYS[2]  {ns}:reaper:hooks (hash)
-- KEYS[3]  {ns}:reaper:hooks:parked (zset)
-- KEYS[4]  {ns}:reaper:hooks:due:<endpoint> (zset)
-- KEYS[5]  {ns}:reaper:hooks:endpoint:<endpoint> (hash)
-- ARGV[1]  '', or a time in ms that replaces the clock of Redis
-- ARGV[2]  job id
-- ARGV[3]  end of the claim (ms)
-- ARGV[4]  reason, a word
-- ARGV[5]  health of the endpoint: `alive` if it has answered, else `unknown`
-- Reply    { 'parked' }
--          { 'changed' }: the job has changed since it was claimed; the new state is due now
--          { 'expired' }: the claim has expired
-- Repeats its first reply when it is sent again (`includes/once.lua`).
-- Also written by: every script of hooks; the Go jobservice (stats).
--- @include once
--- @include claimed_hook

local stats, hooks, parked, due, endpoint = unpack(KEYS)
local at, id, claimEnd, reason, health = nowMs(ARGV[1]), unpack(ARGV, 2)
local refused = refusalOf({
  { hooks, 'hash', 'HGET', 'HSET' },
  { parked, 'zset', 'ZADD', 'EXPIRE' },
  { due, 'zset', 'ZSCORE', 'ZADD', 'ZREM' },
  usesOfEndpoint(endpoint),
  { stats, false, 'HMGET' },
})
if refused then
  return refused
end
local record = readClaimed(hooks, due, id, claimEnd)
if not record then
  return answerOnce({ 'expired' })
end
if health ~= 'alive' then
  releaseProbe(endpoint, claimEnd)
end
local state = changedState(stats, record)
if state then
  startAgain(hooks, due, id, record, state, at)
  return answerOnce({ 'changed' })
end
if health == 'alive' then
  recordAlive(endpoint, at)
end
park(hooks, parked, due, id, record, reason, at)
return answerOnce({ 'parked' })

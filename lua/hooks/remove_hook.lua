-- Removes a claimed hook that has nothing to send: the job is gone, has no endpoint, or the endpoint has confirmed its state.
--
-- KEYS[1]  {ns}:job_stats:<id> (hash)
-- KEYS[2]  {ns}:reaper:hooks (hash)
-- KEYS[3]  {ns}:reaper:hooks:due:<endpoint> (zset)
-- KEYS[4]  {ns}:reaper:hooks:endpoint:<endpoint> (hash)
-- ARGV[1]  '', or a time in ms that replaces the clock of Redis
-- ARGV[2]  job id
-- ARGV[3]  end of the claim (ms)
-- ARGV[4]  check_in_at of the claimed stats (unix s)
-- Reply    { 'done' }
--          { 'changed' }: the job has changed since it was claimed; the new state is due now
--          { 'expired' }: the claim has expired
-- Repeats its first reply when it is sent again (`includes/once.lua`).
-- Also written by: every script of hooks; the Go jobservice (stats).
--- @include once
--- @include claimed_hook

local stats, hooks, due, endpoint = unpack(KEYS)
local at, id, claimEnd, checkInAt = nowMs(ARGV[1]), ARGV[2], ARGV[3], tonumber(ARGV[4] or '') or 0
local refused = refusalOf({
  { hooks, 'hash', 'HGET', 'HSET', 'HDEL' },
  { due, 'zset', 'ZSCORE', 'ZADD', 'ZREM' },
  { endpoint, 'hash', 'HGET', 'HDEL' },
  { stats, false, 'HGET', 'HMGET' },
})
if refused then
  return refused
end
local record = readClaimed(hooks, due, id, claimEnd)
if not record then
  return answerOnce({ 'expired' })
end
releaseProbe(endpoint, claimEnd)
local state = stateOf(stats)
if state ~= 'none:0' and (state ~= record.state or checkInAtOf(redis.call('HGET', stats, 'check_in_at')) > checkInAt) then
  startAgain(hooks, due, id, record, state, at)
  return answerOnce({ 'changed' })
end
forget(hooks, due, id)
return answerOnce({ 'done' })

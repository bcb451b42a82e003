-- Records that an attempt to deliver a claimed hook has failed. The hook is due again later, or is parked after its deadline.
--
-- KEYS[1]  {ns}:job_stats:<id> (hash)
-- KEYS[2]  {ns}:reaper:hooks (hash)
-- KEYS[3]  {ns}:reaper:hooks:parked (zset)
-- KEYS[4]  {ns}:reaper:hooks:due:<endpoint> (zset)
-- KEYS[5]  {ns}:reaper:hooks:endpoint:<endpoint> (hash)
-- ARGV[1]  '', or a time in ms that replaces the clock of Redis
-- ARGV[2]  job id
-- ARGV[3]  end of the claim (ms)
-- ARGV[4]  what the endpoint answered, a word
-- ARGV[5]  after how long the next attempt is due (ms)
-- ARGV[6]  deadline: how long after the first attempt the hook is parked (ms)
-- ARGV[7]  reason for parking it, a word
-- ARGV[8]  health of the endpoint: `alive`, or `failing`, which counts towards opening its circuit
-- ARGV[9]  how many consecutive failures open the circuit
-- ARGV[10] how long a circuit that opens for the first time stays open (ms)
-- Reply    { 'pending' }: due again
--          { 'parked' }: the deadline is over
--          { 'changed' }: the deadline is over, but the job has changed since it was claimed; the new state is due now
--          { 'expired' }: the claim has expired; a failing endpoint is recorded all the same
-- Repeats its first reply when it is sent again (`includes/once.lua`).
-- Also written by: every script of hooks; the Go jobservice (stats).
--- @include once
--- @include claimed_hook

local stats, hooks, parked, due, endpoint = unpack(KEYS)
local at, id, claimEnd, answer, delay, deadline, reason, health, threshold, openFor = nowMs(ARGV[1]), unpack(ARGV, 2)
-- Checked before the first write: an error after it would leave the script half done.
delay, deadline = tonumber(delay), tonumber(deadline)
threshold, openFor = tonumber(threshold), tonumber(openFor)
assert(delay and deadline and threshold and openFor, 'delay, deadline, threshold and openFor must be numbers')

local UNKNOWN_JOB = { ['404'] = true, ['410'] = true }

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
if health == 'failing' then
  recordFailing(endpoint, at, answer, threshold, openFor)
elseif record then
  recordAlive(endpoint, at)
end
if not record then
  return answerOnce({ 'expired' })
end
-- An endpoint that was down for long and does not know the job yet gets the whole deadline for that answer from now on.
if UNKNOWN_JOB[answer] and not UNKNOWN_JOB[record.answer] then
  record.first = record.last
end
local left = record.first * 1000 + deadline - at
if left > 0 then
  record.answer = answer
  -- The endpoint may ask for a later attempt, but not for one after the deadline.
  makeDue(hooks, due, id, record, at + math.min(delay, left))
  return answerOnce({ 'pending' })
end
local state = changedState(stats, record)
if state then
  startAgain(hooks, due, id, record, state, at)
  return answerOnce({ 'changed' })
end
park(hooks, parked, due, id, record, reason, at)
return answerOnce({ 'parked' })

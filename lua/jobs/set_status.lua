-- Moves a job to a status, under the rule of the Go side: to a newer revision always, within the same revision only
-- forward, or to the status it has. With a fingerprint, only if the job is as it was judged (defect 15). For a host that
-- begins an attempt, only if no other has begun it: the entry of one that was cut off may have been given to another (132).
--
-- KEYS[1]  stats
-- KEYS[2]  tracking hash
-- KEYS[3]  records of undelivered hooks
-- KEYS[4]  parked ones
-- KEYS[5]  origins of the receivers
-- KEYS[6]  queue of the job's receiver
-- KEYS[7]  executions of the policy that this job is one of (left out for other jobs)
-- ARGV[1]  status
-- ARGV[2]  revision
-- ARGV[3]  job id
-- ARGV[4]  fingerprint of the judged facts; `unbegun` for a host that begins the attempt; or the empty string
-- ARGV[5]  origin of the job's receiver, which is to be told of the change; the empty string, or left out with all
--          that is about hooks, for none
-- ARGV[6]  the empty string, or a time (ms) that stands for the clock of Redis in what is about hooks
-- ARGV[7]  how many records of hooks there may be
-- Sent again with its token (`includes/once.lua`), it gives its first answer.
-- Returns  `ok`; the stored status where the rule refuses; `missing` (no stats: nothing is written, defect 28);
--          `overtaken` (the job is not as it was judged)
-- Others that touch these keys: the Go jobservice's set status, ACK and reset.
--- @include once
--- @include rank
--- @include now
--- @include count_down
--- @include facts
--- @include write_status
--- @include hook_record
--- @include enqueue_hook

local stats, track, hooks, parked, origins, due, executions = unpack(KEYS)
local status, revision, id, judged, origin = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]

local hasHook = origin and origin ~= ''
local uses = { usesOfStatus(stats, track, status) }
if executions and rank(status) == 3 then
  uses[#uses + 1] = { executions, 'zset', 'ZADD' }
end
local at, most
if hasHook then
  at, most = nowMs(ARGV[6]), assert(tonumber(ARGV[7]), 'how many records of hooks there may be is missing')
  for _, use in ipairs({ usesOfHook(hooks, parked, origins, due) }) do
    uses[#uses + 1] = use
  end
end
local refused = refusalOf(uses)
if refused then
  return refused
end
if redis.call('EXISTS', stats) == 0 then
  return 'missing'
end
local begins = judged == 'unbegun'
if judged ~= '' and not begins and judged ~= fingerprint(readFacts(stats)) then
  return 'overtaken'
end
local stored = redis.call('HGET', stats, 'status') or ''
local storedRevision = tonumber(redis.call('HGET', stats, 'revision') or '') or 0
local wanted = tonumber(revision)
if begins and storedRevision == wanted and stored == status then
  return stored
end
if storedRevision < wanted or (storedRevision == wanted and (rank(stored) < rank(status) or stored == status)) then
  writeStatus(stats, track, id, status)
  -- A worker host runs it: however it got a time to live (upstream's reset leaves it), it must not be gone before its end.
  if token and rank(status) < 3 then
    redis.call('PERSIST', stats)
  end
  if executions and rank(status) == 3 then
    redis.call('ZADD', executions, 'XX', -1, id)
  end
  -- In the same step: a host that dies right after it leaves the change to be told by another.
  if hasHook then
    enqueueHook(hooks, parked, origins, due, id, stateOf(stats), origin, at, most)
    keepHooks(hooks, parked, origins, due)
  end
  return answerOnce('ok')
end
return stored

-- Moves a job to a status, by the rule of the Go side: to a newer revision always; within a revision only forward, or to the
-- status that it has. Sweeps give the fingerprint of the facts that they judged: the job changes only if it is still the same
-- (defect 15). A worker host that begins an attempt gives `unbegun`: the attempt begins only if no other host has begun it,
-- for the entry of a host that was cut off may have been requeued (132). A fail by a sweep is recorded (`includes/audit.lua`).
--
-- KEYS[1]    {ns}:job_stats:<id> (hash)
-- KEYS[2]    {ns}:job_track:inprogress (hash)
-- KEYS[3…6]  the hook of this change (`includes/hook_of_change.lua`)
-- KEYS[7]    {ns}:executions:<policy> (zset): left out for a job that is not an execution of a policy
-- ARGV[1]    status
-- ARGV[2]    revision (unix s)
-- ARGV[3]    job id
-- ARGV[4]    condition: '' for none, a fingerprint, or `unbegun`
-- ARGV[5…7]  the hook of this change
-- Reply      { 'done' }
--            { 'refused', stored status }: the rule does not allow it, or another host has begun the attempt
--            { 'overtaken' }: the job has changed since it was judged
--            { 'missing' }: the job has no stats; nothing is written (defect 28)
-- Repeats its first reply when it is sent again (`includes/once.lua`).
-- Also written by: the Go jobservice (set status, ACK, reset).
--- @include once
--- @include rank
--- @include now
--- @include count_down
--- @include facts
--- @include audit
--- @include write_status
--- @include hook_of_change

local stats, track, executions = KEYS[1], KEYS[2], KEYS[7]
local status, revision, id, condition = ARGV[1], ARGV[2], ARGV[3], ARGV[4]

local hook = hookOfChange(3, 5)
local uses = { usesOfStatus(stats, track, status) }
if executions and rank(status) == 3 then
  uses[#uses + 1] = { executions, 'zset', 'ZADD' }
end
local refused = refusalOf(withHook(uses, hook))
if refused then
  return refused
end
if redis.call('EXISTS', stats) == 0 then
  return { 'missing' }
end
local begins = condition == 'unbegun'
if condition ~= '' and not begins and condition ~= fingerprint(readFacts(stats)) then
  return { 'overtaken' }
end
local stored = redis.call('HGET', stats, 'status') or ''
local storedRevision = tonumber(redis.call('HGET', stats, 'revision') or '') or 0
local wanted = tonumber(revision)
if begins and storedRevision == wanted and stored == status then
  return { 'refused', stored }
end
if storedRevision < wanted or (storedRevision == wanted and (rank(stored) < rank(status) or stored == status)) then
  local was = auditedFacts(stats, track, id)
  local time = writeStatus(stats, track, id, status)
  -- A worker host runs the job, so its stats must not expire before it ends. Upstream's reset leaves the time to live.
  if token and rank(status) < 3 then
    redis.call('PERSIST', stats)
  end
  if executions and rank(status) == 3 then
    redis.call('ZADD', executions, 'XX', -1, id)
  end
  if hook then
    hook.enqueue(id, stats)
  end
  local is = was and changedStatus(was, track, id, status, time)
  return recorded(answerOnce({ 'done' }), { what = 'fail', job = id, was = was, is = is })
end
return { 'refused', stored }

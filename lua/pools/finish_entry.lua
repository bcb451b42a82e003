-- Finishes an entry of a LIVE pool whose job has been in Success for a while, as its worker would have: removes the entry, updates the
-- counters, and deletes an observation that still names the job. Harbor writes Success when the run is over, and ends an entry of a job
-- in Success without running it. So an entry and an observation of such a job are stale. Stopped is different: a stopped job may still
-- run.
--
-- KEYS[1]  {ns}:worker_pools (set)
-- KEYS[2]  {ns}:worker_pools:<pool> (hash): its heartbeat
-- KEYS[3]  {ns}:jobs:<type>:<pool>:inprogress (list)
-- KEYS[4]  {ns}:jobs:<type>:lock (string)
-- KEYS[5]  {ns}:jobs:<type>:lock_info (hash)
-- KEYS[6]  {ns}:job_stats:<id> (hash)
-- KEYS[7…] {ns}:worker:<worker> (hash): observation of each worker of the pool
-- ARGV[1]  pool id
-- ARGV[2]  age in ms below which a heartbeat is alive
-- ARGV[3]  the entry: its SHA-1 and index (`includes/entry_at.lua`)
-- ARGV[4]  job id
-- ARGV[5]  update_time of the judged stats
-- ARGV[6]  revision of the judged stats
-- ARGV[7]  how long the job must be in Success (s)
-- ARGV[8]  heartbeat_at of a pool that is alive because its heartbeat moves; else ''
-- Reply    { 'done' }
--          { 'dead' }: the pool is not alive
--          { 'gone' }: the entry is not in the list
--          { 'overtaken' }: the job has changed since it was judged
--          As a plan (`includes/plan.lua`): what it would reply
-- Repeats its first reply when it is sent again (`includes/once.lua`).
-- Also written by: gocraft (heartbeat, observations, fetch, finish, requeue, stale locks), the Go jobservice (requeue, set status).
--- @include once
--- @include plan
--- @include alive
--- @include counters
--- @include entry_at
--- @include now
--- @include orphan
--- @include audit

local pools, heartbeat, held, lock, lockInfo, stats = unpack(KEYS, 1, 6)
local pool, maxAge, place, job, updated, revision, minAge, moves = unpack(ARGV)
local refusal = refusalOf({ { pools, 'set', 'SISMEMBER' }, { heartbeat, 'hash', 'HGET' }, { held, 'list', 'LINDEX' } })
if refusal then
  return refusal
end
if not alive(pools, heartbeat, pool, maxAge, redis.call('HGET', heartbeat, 'heartbeat_at') or '', moves) then
  return { 'dead' }
end
local entry = entryAt(held, place)
if not entry then
  return { 'gone' }
end
local values = readFields(stats, 'status', 'update_time', 'revision')
if jobOf(entry) ~= job or not values or values[1] ~= 'Success' or values[2] ~= updated or (values[3] or '') ~= revision
  or not tonumber(updated) or now() - tonumber(updated) < tonumber(minAge) then
  return { 'overtaken' }
end
local stale, writes = {}, withCounters({ { held, 'list', 'LREM', 'LLEN' } }, lock, lockInfo)
for i = 7, #KEYS do
  local observation = readObservation(KEYS[i])
  if observation and observation ~= 'unreadable' and observation.job == job then
    stale[#stale + 1] = KEYS[i]
    writes[#writes + 1] = { KEYS[i], 'hash', 'DEL' }
  end
end
refusal = refusalOf(unlessPlan(writes))
if refusal then
  return refusal
end
if isPlan then
  return { 'done' }
end
redis.call('LREM', held, -1, entry)
countDownLocks(lock, lockInfo, pool, held, 1)
for _, key in ipairs(stale) do
  redis.call('DEL', key)
end
return recorded(answerOnce({ 'done' }), { what = 'remove-stale', job = job, pool = pool })

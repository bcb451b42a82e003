-- Requeues one orphaned entry of a LIVE pool, the same bytes (defect 7: the reply to a fetch was lost). The step that moves it proves
-- again that it is orphaned (`includes/orphan_proof.lua`).
--
-- It is one step with many keys, on purpose. A worker may begin the entry, its pool may die, and another reaper may requeue it, between
-- any two steps: so all that the proof reads has to be read in the step that moves the entry.
--
-- KEYS[1]  {ns}:worker_pools (set)
-- KEYS[2]  {ns}:worker_pools:<pool> (hash): its heartbeat
-- KEYS[3]  {ns}:jobs:<type>:<pool>:inprogress (list)
-- KEYS[4]  {ns}:jobs:<type> (list): the queue
-- KEYS[5]  {ns}:jobs:<type>:lock (string)
-- KEYS[6]  {ns}:jobs:<type>:lock_info (hash)
-- KEYS[7]  {ns}:job_stats:<id> (hash)
-- KEYS[8]  {ns}:reaper:recoveries (hash)
-- KEYS[9]  {ns}:reaper:recovered (list)
-- KEYS[10] {ns}:reaper:quarantine (hash)
-- KEYS[11] {ns}:dead (zset)
-- KEYS[12] {ns}:reaper:quarantine:before:<id> (string)
-- KEYS[13] {ns}:reaper:workers:<pool> (hash)
-- KEYS[14] {ns}:reaper:unobserved:<pool> (hash)
-- KEYS[15…] {ns}:worker:<worker> (hash): observation of each worker of the pool
-- ARGV[1]  pool id
-- ARGV[2]  age in ms below which a heartbeat is alive
-- ARGV[3]  the entry: its SHA-1 and index (`includes/entry_at.lua`)
-- ARGV[4]  job id
-- ARGV[5]  field of the entry in KEYS[14]
-- ARGV[6]  how long it must be unobserved (ms)
-- ARGV[7]  '', or a time in ms that replaces the clock of Redis for observations
-- ARGV[8]  how often a job may be recovered within the window
-- ARGV[9]  the window (s)
-- ARGV[10] records that replace those of KEYS[13] and KEYS[14]: JSON of a reply of observe_pool, which a plan has not written; '' for none
-- ARGV[11] heartbeat_at of a pool that is alive because its heartbeat moves; else ''
-- ARGV[12] token of the pass
-- ARGV[13…] id of each worker of KEYS[15…]
-- Reply    { 'requeued' }: it was orphaned
--          { 'poison' }: it is orphaned, and its job was recovered too often; `quarantine_orphan` takes it
--          { 'undecided' }: nothing proves that it is orphaned
--          { 'early' }: it is not unobserved for long enough, or the job has changed
--          { 'observed' }, { 'gone' }
--          { 'dead' }: the pool is not alive; { 'changed' }: the pool has other workers
--          As a plan (`includes/plan.lua`): what it would reply
-- Repeats its first reply when it is sent again (`includes/once.lua`).
-- Also written by: gocraft (heartbeat, observations, fetch, finish, requeue, stale locks), the Go jobservice (requeue, set status).
-- LPUSH is the first write, because Redis refuses it under memory pressure, and then nothing has been written.
--- @include once
--- @include plan
--- @include counters
--- @include orphan_proof
--- @include audit

local pools, heartbeat, held, queue, lock, lockInfo, stats, recoveries, recovered, quarantine, dead = unpack(KEYS, 1, 11)
local beforeQuarantine, workersKey, unobservedKey = KEYS[12], KEYS[13], KEYS[14]
local pool, maxAge, place, job, field, minAge, override, maxRecoveries, window, replaced, moves, pass = unpack(ARGV, 1, 12)

local unproven, orphan = proveOrphan(
  { pools = pools, heartbeat = heartbeat, held = held, stats = stats, recoveries = recoveries, before = beforeQuarantine,
    workers = workersKey, unobserved = unobservedKey, observations = { unpack(KEYS, 15) } },
  { pool = pool, maxAge = maxAge, place = place, job = job, field = field, minAge = minAge, override = override, window = window,
    replaced = replaced, moves = moves, pass = pass, workers = { unpack(ARGV, 13) } })
if unproven then
  return unproven
end
local entry, counted, text, death = orphan.entry, orphan.counted, orphan.recoveries, orphan.death
if counted and isPoison(entry, text, death, maxRecoveries) then
  text = countedOf(text, quarantine, dead, counted)
  if isPoison(entry, text, death, maxRecoveries) then
    return { 'poison' }
  end
end
local writes = withCounters({
  { queue, 'list', 'LPUSH' },
  { held, 'list', 'LREM', 'LLEN' },
  { unobservedKey, 'hash', 'HDEL' },
}, lock, lockInfo)
local refusal = refusalOf(unlessPlan(writes))
if refusal then
  return refusal
end
if isPlan then
  return { 'requeued' }
end
local uncounted = not counted or recordsRefusal(recoveries, recovered)
redis.call('LPUSH', queue, entry)
redis.call('LREM', held, -1, entry)
redis.call('HDEL', unobservedKey, field)
countDownLocks(lock, lockInfo, pool, held, 1)
if not uncounted then
  recordRecoveries(recoveries, recovered, { counted, recoveryText(text, death) }, death)
end
return recorded(answerOnce({ 'requeued' }), { what = 'requeue-orphan', job = job, pool = pool })

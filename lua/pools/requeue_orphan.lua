-- Requeues one orphaned entry of a LIVE pool, the same bytes (defect 7: the reply to a fetch was lost). The step that moves it checks
-- everything again: that the pool is alive, which workers it has, what each of them is observed with, and that the entry is still in
-- the list and has been unobserved for long enough while the stats of its job did not change.
--
-- It is one step with many keys, on purpose. A worker may begin the entry, its pool may die, and another reaper may requeue it, between
-- any two steps: so all that the proof reads has to be read in the step that moves the entry.
--
-- What proves that no worker runs it:
-- - the status of its job is Pending or Scheduled, or Error of the attempt before, or is older than the last recovery of the job: a
--   run begins by changing that, and ends at once if it cannot
-- - otherwise (Running, final, no stats) each worker of the pool was observed with another job since (`includes/orphan.lua`)
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
--- @include alive
--- @include counters
--- @include entry_at
--- @include now
--- @include orphan
--- @include recovery
--- @include audit

local pools, heartbeat, held, queue, lock, lockInfo, stats, recoveries, recovered, quarantine, dead = unpack(KEYS, 1, 11)
local beforeQuarantine, workersKey, unobservedKey = KEYS[12], KEYS[13], KEYS[14]
local pool, maxAge, place, job, field, minAge, override, maxRecoveries, window, replaced, moves, pass = unpack(ARGV, 1, 12)

local refusal = refusalOf({
  { pools, 'set', 'SISMEMBER' },
  { heartbeat, 'hash', 'HGET' },
  { held, 'list', 'LINDEX' },
  { workersKey, 'hash', 'HGETALL' },
  { unobservedKey, 'hash', 'HGET' },
  { beforeQuarantine, 'string', 'GET' },
})
if refusal then
  return refusal
end
local beat = redis.call('HGET', heartbeat, 'heartbeat_at') or ''
if not alive(pools, heartbeat, pool, maxAge, beat, moves) then
  return { 'dead' }
end
local given, workers = {}, {}
for i = 13, #ARGV do
  given[ARGV[i]] = true
end
for worker in string.gmatch(redis.call('HGET', heartbeat, 'worker_ids') or '', '[^,]+') do
  if not given[worker] then
    return { 'changed' }
  end
  workers[#workers + 1] = worker
end
local entry = entryAt(held, place)
if not entry then
  return { 'gone' }
end
local found, id, members = jobOf(entry)
-- An id that is not UTF-8 differs from the one that the client has read.
if #workers == 0 or found ~= job then
  return { 'undecided' }
end
for i = 15, #KEYS do
  local observation = readObservation(KEYS[i])
  if observation == 'unreadable' then
    return { 'undecided' } -- its worker cannot write it either
  end
  -- An observation without args may be of any execution of the policy.
  if observation and (observation.job == job or observation.job == id) then
    return { 'observed' }
  end
end

local remembered = replaced ~= '' and cjson.decode(replaced) or {}
local known = remembered.workers or hashOf(redis.call('HGETALL', workersKey))
local kept = nil
if remembered.unobserved then
  kept = remembered.unobserved[field]
else
  kept = redis.call('HGET', unobservedKey, field)
end
local at = observationTime(override)
local since, signs = sinceOf(kept or nil)
local stand, facts = signsOf(stats, beforeQuarantine)
if not since or not isValid(known, at) or at - since < tonumber(minAge) or signs ~= stand then
  return { 'early' }
end

local death = deathOf(pool, beat, window, pass)
local counted = countedJobOf(entry)
local second = now()
-- pcall, because a record of the wrong type must not keep the entry from being requeued.
local text = counted and redis.pcall('HGET', recoveries, counted)
if type(text) ~= 'string' then
  text = nil
end

local function isEarlierError()
  local member = members.failed_at
  local failedAt = member and tonumber(string.match(entry, '^%d+', member[1]) or '')
  return facts.status == 'Error' and failedAt and facts.updated and facts.updated <= failedAt + 10
end

-- The age of the heartbeat limits how far the clock of the pool's host is behind that of Redis. If the job had run since, its stats
-- would be no older than that.
local function isOlderThanRecovery()
  local last = nil
  for _, one in ipairs(readRecoveries(text)) do
    if not death.pass or one[4] ~= death.pass then
      last = one[1]
    end
  end
  local slack = math.max(0, second - (tonumber(beat) or 0)) + 1
  return last and last * 1000 <= since and facts.updated and facts.revision and facts.updated < last - slack
    and facts.revision < last - slack
end

if facts.status == 'Success' and facts.updated and facts.updated <= second then
  return { 'early' } -- once it is a minute old, finish_entry removes it
end
local waits = facts.status == 'Pending' or facts.status == 'Scheduled'
-- A time that is further ahead than the tolerance (5 min) proves nothing.
local updated = facts.updated and facts.updated <= second + 300 and facts.updated or nil
if not waits and not isEarlierError() and not isOlderThanRecovery()
  and not isProven(known, workers, job, id, since, updated) then
  return { 'undecided' }
end

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
refusal = refusalOf(unlessPlan(writes))
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

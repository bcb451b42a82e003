-- Requeues a bounded number of entries of a dead pool: the same bytes, in the order in which the Go side moves them one by one.
-- Moving them and the check that the pool is dead are one step (defect 1). The counters follow: lock_info becomes the length of the
-- list, and the lock decreases with the entries, never below zero (defects 2 to 4). Each recovery is recorded. It stops before an
-- entry whose job has been recovered too often (defect 10), which `quarantine_entry` takes.
--
-- It is one step with many keys, on purpose. The pool may come alive between any two steps, and a death of this process would leave
-- entries without their count, or a recovery that nothing counts: then a poison job would kill workers again and again.
--
-- KEYS[1]  {ns}:worker_pools (set)
-- KEYS[2]  {ns}:worker_pools:<pool> (hash): its heartbeat
-- KEYS[3]  {ns}:jobs:<type>:<pool>:inprogress (list)
-- KEYS[4]  {ns}:jobs:<type> (list): the queue
-- KEYS[5]  {ns}:jobs:<type>:lock (string)
-- KEYS[6]  {ns}:jobs:<type>:lock_info (hash)
-- KEYS[7]  {ns}:reaper:recoveries (hash)
-- KEYS[8]  {ns}:reaper:recovered (list)
-- KEYS[9]  {ns}:reaper:quarantine (hash)
-- KEYS[10] {ns}:dead (zset)
-- ARGV[1]  pool id
-- ARGV[2]  age in ms below which a heartbeat is alive
-- ARGV[3]  heartbeat_at that made the pool a suspect; '' for none
-- ARGV[4]  how many entries to move; fewer if they are large
-- ARGV[5]  how often a job may be recovered within the window
-- ARGV[6]  the window (s)
-- ARGV[7]  token of the pass
-- Reply    { 'alive' }
--          { 'moved', how many, how many are left, id of the poison job whose entry is next ('' for none), why the recoveries could
--            not be recorded ('' if they were) }
-- Repeats its first reply when it is sent again (`includes/once.lua`). Recorded as one act (`includes/audit.lua`).
-- Also written by: gocraft (fetch, finish, requeue, stale locks), the Go jobservice (requeue). What gocraft's own reaper requeues
-- is not counted as a recovery.
-- LPUSH is the first write, because Redis refuses it under memory pressure, and then nothing has been written.
--- @include once
--- @include alive
--- @include counters
--- @include now
--- @include entry
--- @include recovery
--- @include stride
--- @include audit

local pools, heartbeat, held, queue, lock, lockInfo, recoveries, recovered, quarantine, dead = unpack(KEYS)
local pool, maxAge, seen, batch, maxRecoveries, window = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4]), ARGV[5], ARGV[6]
local refusal = refusalOf(withCounters({
  { pools, 'set', 'SISMEMBER' },
  { heartbeat, 'hash', 'HGET' },
  { held, 'list', 'LRANGE', 'LTRIM', 'LLEN' },
  { queue, 'list', 'LPUSH' },
}, lock, lockInfo))
if refusal then
  return refusal
end
if alive(pools, heartbeat, pool, maxAge, seen) then
  return { 'alive' }
end
local uncounted = recordsRefusal(recoveries, recovered)
local death = deathOf(pool, seen, window, ARGV[7])
local moved, poison, jobs = 0, nil, {}
-- Reads and writes several entries and records with one command each, which is several times faster.
local STEP, MOST = 1000000, 8000000
local size, stride = 0, FIRST_STRIDE
repeat
  local entries = redis.call('LRANGE', held, -math.min(stride, batch - moved), -1)
  stride = nextStride(stride, entries, STEP)
  local ids, asked, moving, updates = {}, {}, {}, {}
  for i = 1, #entries do
    ids[i] = not uncounted and countedJobOf(entries[i]) or false
    asked[#asked + 1] = ids[i] or nil
  end
  local texts = #asked > 0 and redis.call('HMGET', recoveries, unpack(asked)) or {}
  local n = #asked
  for i = #entries, 1, -1 do
    local id = ids[i]
    if id then
      local text = texts[n]
      n = n - 1
      if text and isPoison(entries[i], text, death, maxRecoveries) then
        text = countedOf(text, quarantine, dead, id)
        if isPoison(entries[i], text, death, maxRecoveries) then
          poison = id
          break
        end
      end
      jobs[#jobs + 1] = id
      updates[#updates + 1] = id
      updates[#updates + 1] = text and recoveryText(text, death) or death.first
    end
    moving[#moving + 1] = entries[i]
    size = size + #entries[i]
  end
  if #moving > 0 then
    redis.call('LPUSH', queue, unpack(moving))
    redis.call('LTRIM', held, 0, -#moving - 1)
    moved = moved + #moving
  end
  if not uncounted then
    recordRecoveries(recoveries, recovered, updates, death)
  end
until poison or moved == batch or #entries == 0 or size > MOST
local left = moved > 0 and countDownLocks(lock, lockInfo, pool, held, moved) or redis.call('LLEN', held)
local reply = { 'moved', moved, left, poison or '', moved > 0 and uncounted and uncounted.err or '' }
if moved == 0 then
  return reply
end
return recorded(answerOnce(reply), { what = 'requeue', pool = pool, n = moved, ids = jobs,
  was = { entries = tostring(left + moved) }, is = { entries = tostring(left) } })

-- Requeues one orphaned entry of a LIVE pool, the same bytes (defect 7: the reply of a fetch got lost). Everything that was
-- judged is checked again in the step that moves it: that the pool lives, who its workers are, what each of them says that it
-- runs, that the entry is still in the list and has been unobserved for long enough with its job's stats unchanged.
--
-- What proves that no worker runs it:
-- - its job's status is Pending or Scheduled, or Error of the attempt before, or is older than the job's last recovery: a run
--   begins by changing that, and ends at once where it can't
-- - else (Running, final, no stats): each worker of the pool was seen at another job since (`includes/orphan.lua`)
--
-- KEYS[1]  set of pools
-- KEYS[2]  heartbeat of the pool
-- KEYS[3]  the pool's in-progress list of the type
-- KEYS[4]  queue of the type
-- KEYS[5]  lock of the type
-- KEYS[6]  lock_info of the type
-- KEYS[7]  stats of the job
-- KEYS[8]  recoveries of jobs
-- KEYS[9]  who was recovered when
-- KEYS[10] records of the quarantine
-- KEYS[11] gocraft's dead entries
-- KEYS[12] the job's signs of life before its quarantine
-- KEYS[13] record of the pool's workers
-- KEYS[14] record of its unobserved entries
-- KEYS[15…] observations of the pool's workers
-- ARGV[1]  pool id
-- ARGV[2]  age in ms below which a heartbeat is alive
-- ARGV[3]  the entry: its SHA-1 and its place (`includes/entry_at.lua`)
-- ARGV[4]  `act`, or `plan` to change nothing
-- ARGV[5]  job id
-- ARGV[6]  the entry's field in KEYS[14]
-- ARGV[7]  for how long it has to be unobserved (ms)
-- ARGV[8]  the empty string, or a time (ms) that stands for the clock of Redis in what is about looks
-- ARGV[9]  how often a job may be recovered within the window
-- ARGV[10] the window (s)
-- ARGV[11] in a plan: JSON of what observe_pool has returned, which stands for the records; else the empty string
-- ARGV[12] heartbeat_at of a pool that lives since its heartbeat moves, though it is not young; else the empty string
-- ARGV[13…] ids of the workers whose observations KEYS[15…] are; behind them the token of the pass
-- Returns  `lost`: it was orphaned, and is in its queue now (in a plan: would be); else what else it is: `dead` (the pool is
--          not seen to live), `changed` (the pool has other workers), `gone`, `observed`, `early` (not unobserved for long
--          enough, or the job has shown a sign of life), `undecided` (nothing proves it), `poison` (orphaned, and recovered
--          too often: `quarantine`)
-- Others that touch these keys: gocraft's heartbeat, observations, fetch, finish, requeue and stale locks; the Go
-- jobservice's requeue and set status.
-- LPUSH comes first: under memory pressure Redis refuses it, and then nothing at all has been written.
--- @include once
--- @include alive
--- @include counters
--- @include entry_at
--- @include now
--- @include orphan
--- @include recovery

local pools, heartbeat, held, queue, lock, lockInfo, stats, recoveries, recovered, quarantine, dead = unpack(KEYS, 1, 11)
local beforeQuarantine, workersKey, unobservedKey = KEYS[12], KEYS[13], KEYS[14]
local pool, maxAge, place, mode, job, field, least, override, most, window, memory, moves = unpack(ARGV, 1, 12)

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
  return 'dead'
end
local given, workers = {}, {}
for i = 13, #KEYS - 2 do
  given[ARGV[i]] = true
end
for worker in string.gmatch(redis.call('HGET', heartbeat, 'worker_ids') or '', '[^,]+') do
  if not given[worker] then
    return 'changed'
  end
  workers[#workers + 1] = worker
end
local entry = entryAt(held, place)
if not entry then
  return 'gone'
end
local found, id, members = jobOf(entry)
-- An id that is no UTF-8 is another one by the time that a client has read it.
if #workers == 0 or found ~= job then
  return 'undecided'
end
for i = 15, #KEYS do
  local observation = readObservation(KEYS[i])
  if observation == 'unreadable' then
    return 'undecided' -- what can't be read can't be written by its worker either
  end
  -- A host may leave the args of its observation empty: then it may be any execution of the policy.
  if observation and (observation.job == job or observation.job == id) then
    return 'observed'
  end
end

local remembered = mode == 'plan' and cjson.decode(memory) or {}
local known = remembered.workers or hashOf(redis.call('HGETALL', workersKey))
local kept = nil
if remembered.unobserved then
  kept = remembered.unobserved[field]
else
  kept = redis.call('HGET', unobservedKey, field)
end
local at = lookTime(override)
local since, signs = sinceOf(kept or nil)
local stand, facts = signsOf(stats, beforeQuarantine)
if not since or not isValid(known, at) or at - since < tonumber(least) or signs ~= stand then
  return 'early'
end

local death = deathOf(pool, beat, window, ARGV[#KEYS - 1])
local counted = countedJobOf(entry)
local second = now()
-- pcall: a record of the wrong type must not hold an entry back.
local text = counted and redis.pcall('HGET', recoveries, counted)
if type(text) ~= 'string' then
  text = nil
end

local function isEarlierError()
  local member = members.failed_at
  local failedAt = member and tonumber(string.match(entry, '^%d+', member[1]) or '')
  return facts.status == 'Error' and failedAt and facts.updated and facts.updated <= failedAt + 10
end

-- A heartbeat's age bounds by how much the clock of the pool's host is behind that of Redis: had the job been run since, its
-- stats would be no older than that.
local function isOlderThanRecovery()
  local read, all = pcall(cjson.decode, text or '')
  local last = nil
  for _, one in ipairs(read and type(all) == 'table' and all or {}) do
    if type(one) ~= 'table' or not death.pass or one[4] ~= death.pass then
      last = type(one) == 'table' and tonumber(one[1])
    end
  end
  local slack = math.max(0, second - (tonumber(beat) or 0)) + 1
  return last and last * 1000 <= since and facts.updated and facts.revision and facts.updated < last - slack
    and facts.revision < last - slack
end

if facts.status == 'Success' and facts.updated and facts.updated <= second then
  return 'early' -- finish_entry decides on it, once it is a minute old
end
local waits = facts.status == 'Pending' or facts.status == 'Scheduled'
-- A time ahead of the clock by more than the tolerance (5 min) says nothing.
local updated = facts.updated and facts.updated <= second + 300 and facts.updated or nil
if not waits and not isEarlierError() and not isOlderThanRecovery()
  and not isProven(known, workers, job, id, since, updated) then
  return 'undecided'
end

if counted and isPoison(entry, text, death, most) then
  text = countedOf(text, quarantine, dead, counted)
  if isPoison(entry, text, death, most) then
    return 'poison'
  end
end
local writes = withCounters({
  { queue, 'list', 'LPUSH' },
  { held, 'list', 'LREM', 'LLEN' },
  { unobservedKey, 'hash', 'HDEL' },
}, lock, lockInfo)
refusal = refusalOf(mode == 'plan' and typesOf(writes) or writes)
if refusal then
  return refusal
end
if mode == 'plan' then
  return 'lost'
end
local uncounted = not counted or recordsRefusal(recoveries, recovered)
redis.call('LPUSH', queue, entry)
redis.call('LREM', held, -1, entry)
redis.call('HDEL', unobservedKey, field)
countDownLocks(lock, lockInfo, pool, held, 1)
if not uncounted then
  noteRecoveries(recoveries, recovered, { counted, recoveryText(text, death) }, death)
end
return answerOnce('lost')

-- Puts one entry of a LIVE pool back into its queue, the same bytes, where no worker of the pool runs its job (defect 7:
-- the reply of a fetch got lost). Everything that was judged is checked again in the step that moves it: that the pool
-- lives, who its workers are, what each of them says that it runs, and that the entry is still in the list.
-- An observation expires 24 h after it was written last, and one that was just written is lost with a Redis that restarts
-- or fails over: of an entry that was enqueued before that, silence says nothing, and the job's status must say that it
-- does not run.
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
-- KEYS[10…] observations of the pool's workers
-- ARGV[1]  pool id
-- ARGV[2]  age in ms below which a heartbeat is alive
-- ARGV[3]  the entry
-- ARGV[4]  `act`, or `plan` to change nothing
-- ARGV[5]  unix s of the last moment at which Redis may have lost an observation
-- ARGV[6]  how often a job may be recovered within the window
-- ARGV[7]  the window (s)
-- ARGV[8…] ids of the workers whose observations KEYS[10…] are
-- Returns  `lost`: it was, and is in its queue now (in a plan: would be); else what else it is: `dead` (the pool is not
--          seen to live), `changed` (the pool has other workers), `gone`, `observed`, `undecided` (nothing says for sure),
--          `poison` (lost, and recovered too often: `quarantine`)
-- Others that touch these keys: gocraft's heartbeat, observations, fetch, finish, requeue and stale locks; the Go
-- jobservice's requeue and set status.
-- LPUSH comes first: under memory pressure Redis refuses it, and then nothing at all has been written.
--- @include alive
--- @include counters
--- @include now
--- @include entry
--- @include recovery

local pools, heartbeat, held, queue, lock, lockInfo, stats, recoveries, recovered = unpack(KEYS, 1, 9)
local pool, maxAge, entry, mode, since, most, window = unpack(ARGV, 1, 7)
local hour = 3600

local beat = redis.call('HGET', heartbeat, 'heartbeat_at') or ''
if not alive(pools, heartbeat, pool, maxAge, beat) then
  return 'dead'
end
local given, workers = {}, 0
for i = 8, #ARGV do
  given[ARGV[i]] = true
end
for worker in string.gmatch(redis.call('HGET', heartbeat, 'worker_ids') or '', '[^,]+') do
  if not given[worker] then
    return 'changed'
  end
  workers = workers + 1
end
local job = jobOf(entry)
local isJson, decoded = pcall(cjson.decode, entry)
if workers == 0 or not job or not isJson then
  return 'undecided'
end
if not redis.call('LPOS', held, entry) then
  return 'gone'
end

for i = 10, #KEYS do
  local observation = redis.pcall('HMGET', KEYS[i], 'job_id', 'args')
  if observation.err then
    return 'undecided' -- what can't be read can't be written by its worker either
  end
  -- A host may leave the args of its observation empty: then it may be any execution of the policy.
  local read, args = pcall(cjson.decode, observation[2] or '')
  local observed = jobIdOf(observation[1], read and args)
  if observed == job or observed == decoded.id then
    return 'observed'
  end
end

local at, enqueued = now(), decoded.t
local dated = type(enqueued) == 'number' and enqueued <= at + hour
if not dated or enqueued < at - 23 * hour or enqueued <= tonumber(since) then
  local status = redis.call('HGET', stats, 'status')
  local waits = status == 'Pending' or status == 'Scheduled'
  -- A final status within the day is the run's own. Later the reaper itself may have failed a job that runs in silence.
  local hasEnded = dated and enqueued >= at - 23 * hour
    and (status == 'Success' or status == 'Stopped' or status == 'Error')
  if not waits and not hasEnded then
    return 'undecided'
  end
end

local id, death = countedJobOf(entry), deathOf(pool, beat, window)
-- pcall: a record of the wrong type must not hold an entry back.
local text = id and redis.pcall('HGET', recoveries, id)
if type(text) == 'table' then
  text = false
end
if id and isPoison(entry, text, death, most) then
  return 'poison'
end
if mode == 'plan' then
  return 'lost'
end
redis.call('LPUSH', queue, entry)
redis.call('LREM', held, -1, entry)
countDownLocks(lock, lockInfo, pool, held, 1)
if id then
  noteRecoveries(recoveries, recovered, { id, recoveryText(text, death) }, death)
end
return 'lost'

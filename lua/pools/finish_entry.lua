-- Finishes an entry of a LIVE pool whose job ended in Success a while ago, as its worker would have: the entry is removed, the
-- counters follow, and an observation that still names the job is deleted. Harbor writes Success when the run is over, and ends
-- an entry of a job in Success without running it; so whatever holds the entry, or names it, is stale. Stopped is not like
-- that: a stopped job may run on.
--
-- KEYS[1]  set of pools
-- KEYS[2]  heartbeat of the pool
-- KEYS[3]  the pool's in-progress list of the type
-- KEYS[4]  lock of the type
-- KEYS[5]  lock_info of the type
-- KEYS[6]  stats of the job
-- KEYS[7…] observations of the pool's workers
-- ARGV[1]  pool id
-- ARGV[2]  age in ms below which a heartbeat is alive
-- ARGV[3]  the entry: its SHA-1 and its place (`includes/entry_at.lua`)
-- ARGV[4]  `act`, or `plan` to change nothing
-- ARGV[5]  job id
-- ARGV[6]  update_time of the stats that were judged
-- ARGV[7]  revision of the stats that were judged
-- ARGV[8]  for how long the job has to be in Success (s)
-- ARGV[9]  heartbeat_at of a pool that lives since its heartbeat moves, though it is not young; else the empty string
-- Returns  `finished` (in a plan: would be); `dead` (the pool is not seen to live); `gone`; `overtaken` (the job is not as it
--          was judged)
-- Others that touch these keys: gocraft's heartbeat, observations, fetch, finish, requeue and stale locks; the Go
-- jobservice's requeue and set status.
--- @include once
--- @include alive
--- @include counters
--- @include entry_at
--- @include now
--- @include orphan

local pools, heartbeat, held, lock, lockInfo, stats = unpack(KEYS, 1, 6)
local pool, maxAge, place, mode, job, updated, revision, least, moves = unpack(ARGV)
local refusal = refusalOf({ { pools, 'set', 'SISMEMBER' }, { heartbeat, 'hash', 'HGET' }, { held, 'list', 'LINDEX' } })
if refusal then
  return refusal
end
if not alive(pools, heartbeat, pool, maxAge, redis.call('HGET', heartbeat, 'heartbeat_at') or '', moves) then
  return 'dead'
end
local entry = entryAt(held, place)
if not entry then
  return 'gone'
end
local values = readFields(stats, 'status', 'update_time', 'revision')
if jobOf(entry) ~= job or not values or values[1] ~= 'Success' or values[2] ~= updated or (values[3] or '') ~= revision
  or not tonumber(updated) or now() - tonumber(updated) < tonumber(least) then
  return 'overtaken'
end
local stale, writes = {}, withCounters({ { held, 'list', 'LREM', 'LLEN' } }, lock, lockInfo)
for i = 7, #KEYS do
  local observation = readObservation(KEYS[i])
  if observation and observation ~= 'unreadable' and observation.job == job then
    stale[#stale + 1] = KEYS[i]
    writes[#writes + 1] = { KEYS[i], 'hash', 'DEL' }
  end
end
refusal = refusalOf(mode == 'plan' and typesOf(writes) or writes)
if refusal then
  return refusal
end
if mode == 'plan' then
  return 'finished'
end
redis.call('LREM', held, -1, entry)
countDownLocks(lock, lockInfo, pool, held, 1)
for _, key in ipairs(stale) do
  redis.call('DEL', key)
end
return answerOnce('finished')

-- Takes one entry out of circulation: from a pool's in-progress list to gocraft's `dead`, as gocraft writes one that has
-- failed for good, where it stays until a person says what is to become of it (defect 10). In the same step the counters
-- follow, the job becomes Error and its receiver is to be told, and what was there is noted to the letter.
-- It looks at all of it again: that the pool is dead, that the entry is there, that its job has been recovered as often as
-- may be, that its stats are as they were read.
--
-- KEYS[1]   set of pools
-- KEYS[2]   heartbeat of the pool
-- KEYS[3]   the pool's in-progress list of the type
-- KEYS[4]   lock of the type
-- KEYS[5]   lock_info of the type
-- KEYS[6]   gocraft's dead entries
-- KEYS[7]   recoveries of jobs
-- KEYS[8]   records of the quarantine
-- KEYS[9]   stats
-- KEYS[10]  tracking hash
-- KEYS[11]  records of undelivered hooks
-- KEYS[12]  parked ones
-- KEYS[13]  origins of the receivers
-- KEYS[14]  queue of the job's receiver
-- KEYS[15]  the job's signs of life before its quarantine (`includes/orphan.lua`)
-- KEYS[16]  executions of the policy that this job is one of (left out for other jobs)
-- ARGV[1]   pool id
-- ARGV[2]   age in ms below which a heartbeat is alive
-- ARGV[3]   heartbeat_at that made the pool a suspect, or the empty string
-- ARGV[4]   `dead`: only if the pool is; `any`: whether or not it lives
-- ARGV[5]   how often a job may be recovered within the window
-- ARGV[6]   the window (s)
-- ARGV[7]   type
-- ARGV[8]   job id
-- ARGV[9]   the entry: its SHA-1 and its place (`includes/entry_at.lua`), or the empty string for the one that is next to be
--           put back
-- ARGV[10]  fingerprint of the stats that were read
-- ARGV[11]  origin of the job's receiver; the empty string for none
-- ARGV[12]  the empty string, or a time (ms) that stands for the clock of Redis in what is about hooks
-- ARGV[13]  how many records of hooks there may be
-- ARGV[14]  token of the pass
-- Returns   `alive`; `gone` (the entry is not there); `fewer` (it may be recovered still); `overtaken` (the job is not as it
--           was read); or JSON: what it was recovered from, this death included, as
--           in `includes/recovery.lua`
-- Others that touch these keys: gocraft's fetch, finish, requeue, stale locks and heartbeat, its retry and delete of dead
-- entries; the Go jobservice's set status, ACK and reset.
-- ZADD comes first: under memory pressure Redis refuses it, and then nothing at all has been written.
--- @include once
--- @include alive
--- @include counters
--- @include now
--- @include entry
--- @include entry_at
--- @include recovery
--- @include dead_entry
--- @include quarantine_record
--- @include rank
--- @include count_down
--- @include facts
--- @include write_status
--- @include signs
--- @include hook_record
--- @include enqueue_hook

local pools, heartbeat, held, lock, lockInfo, dead, recoveries, quarantine, stats, track = unpack(KEYS)
local hooks, parked, origins, due, beforeQuarantine, executions = unpack(KEYS, 11)
local pool, maxAge, seen, need, most, window, jobType, id, place, judged, origin = unpack(ARGV)

local refusal = refusalOf({
  { pools, 'set', 'SISMEMBER' },
  { heartbeat, 'hash', 'HGET' },
  { held, 'list', 'LINDEX' },
  { recoveries, 'hash', 'HGET' },
  { quarantine, 'hash', 'HGET' },
  { dead, 'zset', 'ZSCORE' },
})
if refusal then
  return refusal
end
if need == 'dead' and alive(pools, heartbeat, pool, maxAge, seen) then
  return 'alive'
end
local entry
if place == '' then
  entry = redis.call('LINDEX', held, -1)
else
  entry = entryAt(held, place)
end
if not entry or countedJobOf(entry) ~= id then
  return 'gone'
end
local death = deathOf(pool, seen, window, ARGV[14])
local noted = redis.call('HGET', recoveries, id)
local text = countedOf(noted, quarantine, dead, id)
if not isPoison(entry, text, death, most) then
  return 'fewer'
end
local before = recoveriesBefore(text, death)
local facts = readFacts(stats)
if judged ~= fingerprint(facts) then
  return 'overtaken'
end
-- The rule of set_status with the job's own revision: forward only, so not where it is final already.
local fails = type(facts) == 'table' and rank(redis.call('HGET', stats, 'status')) < 3
local tells = fails and origin ~= ''
local forgets = text ~= noted

local writes = withCounters({
  { dead, 'zset', 'ZADD', 'ZSCORE' },
  { held, 'list', 'LREM', 'LLEN' },
  { quarantine, 'hash', 'HGET', 'HSET', 'HRANDFIELD', 'HDEL', 'EXPIRE' },
}, lock, lockInfo)
if forgets then
  writes[#writes + 1] = { recoveries, 'hash', 'HSET' }
end
if fails then
  writes[#writes + 1] = { stats, 'hash', 'HGET', 'HMGET', 'HSET', 'EXPIRE' }
  writes[#writes + 1] = { track, 'hash', 'HGET', 'HSET', 'HDEL' }
  writes[#writes + 1] = { beforeQuarantine, 'string', 'SET' }
  writes[#writes + 1] = executions and { executions, 'zset', 'ZADD' } or nil
end
if tells then
  writes[#writes + 1] = { hooks, 'hash', 'HGET', 'HLEN', 'HSET', 'EXPIRE' }
  writes[#writes + 1] = { parked, 'zset', 'ZREM', 'EXPIRE' }
  writes[#writes + 1] = { origins, 'set', 'SADD', 'EXPIRE' }
  writes[#writes + 1] = { due, 'zset', 'ZCARD', 'ZADD', 'EXPIRE' }
end
refusal = refusalOf(writes)
if refusal then
  return refusal
end

local err = string.format('jobservice-reaper: quarantined, for its worker died or lost it %d times within %g h',
  #before + 1, window / 3600)
local member = deadEntry(entry, err, death.at)
redis.call('ZADD', dead, death.at, member)
redis.call('LREM', held, -1, entry)
if forgets then
  -- The new record says nothing of those that a person has made up for.
  redis.call('HSET', recoveries, id, text)
end
before[#before + 1] = { death.at, pool, seen, death.pass }
keepQuarantined(quarantine, dead, id, { at = death.at, recoveries = before }, { jobType, entry, member }, death.window)
countDownLocks(lock, lockInfo, pool, held, 1)

if fails then
  local signs = { before = readSigns(stats) }
  writeStatus(stats, track, id, 'Error')
  signs.after = textOfSigns(readSigns(stats))
  -- For as long as observe_pool remembers an entry.
  redis.call('SET', beforeQuarantine, cjson.encode(signs), 'EX', 86400)
  if executions then
    redis.call('ZADD', executions, 'XX', -1, id)
  end
end
if tells then
  enqueueHook(hooks, parked, origins, due, id, stateOf(stats), origin, nowMs(ARGV[12]), tonumber(ARGV[13]))
  keepHooks(hooks, parked, origins, due)
end
return answerOnce(cjson.encode(before))

-- Removes what a dead pool leaves: its place in the set, its heartbeat, its fields in the lock_info of every type.
-- Only once none of its in-progress lists holds an entry, so that an entry never outlives the trace of its pool.
--
-- KEYS[1]     set of pools
-- KEYS[2]     heartbeat of the pool
-- KEYS[3…]    for each type: the pool's in-progress list, lock_info
-- ARGV[1]     pool id
-- ARGV[2]     age in ms below which a heartbeat is alive
-- ARGV[3]     heartbeat_at that made the pool a suspect, or the empty string
-- ARGV[4]     `more` for some of its types only: the pool keeps its place until the last call
-- Returns     `settled` (with `more`: its fields are gone), `alive`, or `entries` (a list is not empty: requeue first).
--             `traces`: settled, and nothing of these types says that it died: no count was above 0, and it had no heartbeat or
--             was not registered, as after a graceful stop
-- Others that touch these keys: gocraft's heartbeat, reaper and stale locks.
-- A list of the wrong type refuses all, for what it holds may be the pool's. A lock_info of the wrong type holds no field of
-- the pool, and is passed over: rebuild_counters reports it.
--- @include once
--- @include alive

local pools, heartbeat = KEYS[1], KEYS[2]
local pool, maxAge, seen = ARGV[1], ARGV[2], ARGV[3]
local writes = { { pools, 'set', 'SISMEMBER', 'SREM' }, { heartbeat, 'hash', 'HGET', 'DEL' } }
local fields = {}
for i = 3, #KEYS, 2 do
  writes[#writes + 1] = { KEYS[i], 'list', 'LLEN' }
  if redis.call('TYPE', KEYS[i + 1]).ok == 'hash' then
    writes[#writes + 1] = { KEYS[i + 1], 'hash', 'HGET', 'HDEL' }
    fields[#fields + 1] = KEYS[i + 1]
  end
end
local refusal = refusalOf(writes)
if refusal then
  return refusal
end
if alive(pools, heartbeat, pool, maxAge, seen) then
  return 'alive'
end
for i = 3, #KEYS, 2 do
  if redis.call('LLEN', KEYS[i]) > 0 then
    return 'entries'
  end
end
local hasDied = redis.call('SISMEMBER', pools, pool) == 1 and redis.call('HGET', heartbeat, 'heartbeat_at')
for _, lockInfo in ipairs(fields) do
  hasDied = hasDied or (redis.call('HGET', lockInfo, pool) or '0') ~= '0'
end
for _, lockInfo in ipairs(fields) do
  redis.call('HDEL', lockInfo, pool)
end
if ARGV[4] ~= 'more' then
  redis.call('DEL', heartbeat)
  redis.call('SREM', pools, pool)
end
return answerOnce(hasDied and 'settled' or 'traces')

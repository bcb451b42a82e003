-- Removes a dead pool: its registration, its heartbeat, and its fields in the lock_info of every type. All its in-progress lists must be
-- empty, so that no entry outlives the traces of its pool.
--
-- KEYS[1]  {ns}:worker_pools (set)
-- KEYS[2]  {ns}:worker_pools:<pool> (hash): its heartbeat
-- KEYS[3…] for each type: {ns}:jobs:<type>:<pool>:inprogress (list), {ns}:jobs:<type>:lock_info (hash)
-- ARGV[1]  pool id
-- ARGV[2]  age in ms below which a heartbeat is alive
-- ARGV[3]  heartbeat_at that made the pool a suspect; '' for none
-- ARGV[4]  `more` if these are only some of its types: it stays registered until the last call; else left out
-- Reply    { 'alive' }
--          { 'entries' }: a list is not empty, so requeue first
--          { 'deregistered' } (with `more`: only its fields are gone)
--          { 'traces' }: deregistered, and nothing in these types shows that it died. No count was above 0, and it had no heartbeat or
--            was not registered, as after a graceful stop
-- Repeats its first reply when it is sent again (`includes/once.lua`).
-- Also written by: gocraft (heartbeat, reaper, stale locks).
-- A list of the wrong type is an error, because it may hold entries of the pool. A lock_info of the wrong type holds no field of the
-- pool and is skipped; rebuild_counters reports it.
--- @include once
--- @include alive
--- @include audit

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
  return { 'alive' }
end
for i = 3, #KEYS, 2 do
  if redis.call('LLEN', KEYS[i]) > 0 then
    return { 'entries' }
  end
end
local hasDied = redis.call('SISMEMBER', pools, pool) == 1 and redis.call('HGET', heartbeat, 'heartbeat_at')
for _, lockInfo in ipairs(fields) do
  hasDied = hasDied or (redis.call('HGET', lockInfo, pool) or '0') ~= '0'
end
for _, lockInfo in ipairs(fields) do
  redis.call('HDEL', lockInfo, pool)
end
local reply = { hasDied and 'deregistered' or 'traces' }
if ARGV[4] == 'more' then
  return answerOnce(reply)
end
local was = { heartbeat_at = redis.call('HGET', heartbeat, 'heartbeat_at') or nil }
redis.call('DEL', heartbeat)
was.registered = redis.call('SREM', pools, pool) == 1 and 'yes' or nil
return recorded(answerOnce(reply), { what = 'deregister', pool = pool, was = was, is = changedFacts(was, {}) })

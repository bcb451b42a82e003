-- Removes a dead pool: its registration, its heartbeat, and its fields in the lock_info of its types (of those that are left, where
-- `clear_counts` has cleared the others). Its in-progress lists must be empty, so that no entry outlives the traces of its pool.
--
-- KEYS[1]  {ns}:worker_pools (set)
-- KEYS[2]  {ns}:worker_pools:<pool> (hash): its heartbeat
-- KEYS[3…] for each type: {ns}:jobs:<type>:<pool>:inprogress (list), {ns}:jobs:<type>:lock_info (hash)
-- ARGV[1]  pool id
-- ARGV[2]  age in ms below which a heartbeat is alive
-- ARGV[3]  heartbeat_at that made the pool a suspect; '' for none
-- Reply    { 'alive' }
--          { 'entries' }: a list is not empty, so requeue first
--          { 'deregistered' }
--          { 'traces' }: deregistered, and nothing in these types shows that it died. No count was above 0, and it had no heartbeat or
--            was not registered, as after a graceful stop
--          { 'gone' }: the same, and it had neither
-- Repeats its first reply when it is sent again (`includes/once.lua`).
-- Also written by: gocraft (heartbeat, reaper, stale locks).
--- @include once
--- @include dead_pool
--- @include audit

local pools, heartbeat = KEYS[1], KEYS[2]
local pool, maxAge, seen = ARGV[1], ARGV[2], ARGV[3]
local uses, lockInfos = usesOfTypes(3)
uses[#uses + 1] = { pools, 'set', 'SISMEMBER', 'SREM' }
uses[#uses + 1] = { heartbeat, 'hash', 'HGET', 'DEL' }
local refusal = refusalOf(uses)
if refusal then
  return refusal
end
if alive(pools, heartbeat, pool, maxAge, seen) then
  return { 'alive' }
elseif holdsEntries(3) then
  return { 'entries' }
end
local was = { heartbeat_at = redis.call('HGET', heartbeat, 'heartbeat_at') or nil }
local hasCounts = clearCounts(lockInfos, pool)
redis.call('DEL', heartbeat)
was.registered = redis.call('SREM', pools, pool) == 1 and 'yes' or nil
local hasDied = hasCounts or was.registered and was.heartbeat_at
local isGone = not was.registered and not was.heartbeat_at
return recorded(answerOnce({ hasDied and 'deregistered' or isGone and 'gone' or 'traces' }),
  { what = 'deregister', pool = pool, was = was, is = changedFacts(was, {}) })

-- Removes the fields of a dead pool in the lock_info of some of its types, where it has too many for one step. The pool stays registered
-- until `deregister_pool`. Its in-progress lists of these types must be empty, so that no entry outlives the traces of its pool.
--
-- KEYS[1]  {ns}:worker_pools (set)
-- KEYS[2]  {ns}:worker_pools:<pool> (hash): its heartbeat
-- KEYS[3…] for each type: {ns}:jobs:<type>:<pool>:inprogress (list), {ns}:jobs:<type>:lock_info (hash)
-- ARGV[1]  pool id
-- ARGV[2]  age in ms below which a heartbeat is alive
-- ARGV[3]  heartbeat_at that made the pool a suspect; '' for none
-- Reply    { 'alive' }
--          { 'entries' }: a list is not empty, so requeue first
--          { 'cleared' }
-- Repeats its first reply when it is sent again (`includes/once.lua`).
-- Also written by: gocraft (heartbeat, reaper, stale locks).
--- @include once
--- @include dead_pool

local pools, heartbeat = KEYS[1], KEYS[2]
local pool, maxAge, seen = ARGV[1], ARGV[2], ARGV[3]
local uses, lockInfos = usesOfTypes(3)
uses[#uses + 1] = { pools, 'set', 'SISMEMBER' }
uses[#uses + 1] = { heartbeat, 'hash', 'HGET' }
local refusal = refusalOf(uses)
if refusal then
  return refusal
end
if alive(pools, heartbeat, pool, maxAge, seen) then
  return { 'alive' }
elseif holdsEntries(3) then
  return { 'entries' }
end
clearCounts(lockInfos, pool)
return answerOnce({ 'cleared' })

-- Removes a dead pool: its registration, its heartbeat, and its fields in the lock_info of its types (of those that are left, where
-- `clear_counts` has cleared the others). Its in-progress lists must be empty, so that no entry outlives the traces of its pool.
--
-- KEYS[1]  {ns}:worker_pools (set)
-- KEYS[2]  {ns}:worker_pools:<pool> (hash): its heartbeat
-- KEYS[3]  {ns}:reaper:rescues:<pool> (string): `includes/rescue_note.lua`
-- KEYS[4…] for each type: {ns}:jobs:<type>:<pool>:inprogress (list), {ns}:jobs:<type>:lock_info (hash)
-- ARGV[1]  pool id
-- ARGV[2]  age in ms below which a heartbeat is alive
-- ARGV[3]  heartbeat_at that made the pool a suspect; '' for none
-- Reply    { 'alive' }
--          { 'entries' }: a list is not empty, so requeue first
--          { 'deregistered' }: it died, for it was registered and had a heartbeat, or entries of it were requeued or quarantined
--          { 'traces' }: it was not registered, or had no heartbeat, as after a graceful stop
--          { 'gone' }: it had neither, and others have reported its entries, if there were any
--          Counts show no death: the counters of a type may be rebuilt before this step
-- Repeats its first reply when it is sent again (`includes/once.lua`).
-- Also written by: gocraft (heartbeat, reaper, stale locks).
--- @include once
--- @include dead_pool
--- @include audit
--- @include rescue_note

local pools, heartbeat, note = KEYS[1], KEYS[2], KEYS[3]
local pool, maxAge, seen = ARGV[1], ARGV[2], ARGV[3]
local uses, lockInfos = usesOfTypes(4)
uses[#uses + 1] = { pools, 'set', 'SISMEMBER', 'SREM' }
uses[#uses + 1] = { heartbeat, 'hash', 'HGET', 'DEL' }
local refusal = refusalOf(uses)
if refusal then
  return refusal
end
if alive(pools, heartbeat, pool, maxAge, seen) then
  return { 'alive' }
elseif holdsEntries(4) then
  return { 'entries' }
end
local isNoted = hasNote(note)
local was = { heartbeat_at = redis.call('HGET', heartbeat, 'heartbeat_at') or nil }
clearCounts(lockInfos, pool)
redis.call('DEL', heartbeat)
was.registered = redis.call('SREM', pools, pool) == 1 and 'yes' or nil
if isNoted then
  redis.call('DEL', note)
end
local hasDied = isNoted or was.registered and was.heartbeat_at
local isGone = not was.registered and not was.heartbeat_at
return recorded(answerOnce({ hasDied and 'deregistered' or isGone and 'gone' or 'traces' }),
  { what = 'deregister', pool = pool, was = was, is = changedFacts(was, {}) })

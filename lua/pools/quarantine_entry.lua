-- Quarantines the next entry to requeue of a DEAD pool, the last one of its in-progress list (defect 10): moves it to gocraft's `dead`
-- until a user decides what happens to it. Checks again that the pool is dead, that the job has been recovered as often as it may be, and
-- that its stats are as they were judged. The rest is in `includes/quarantine.lua`.
--
-- KEYS[1]  {ns}:worker_pools (set)
-- KEYS[2]  {ns}:worker_pools:<pool> (hash): its heartbeat
-- KEYS[3]  {ns}:jobs:<type>:<pool>:inprogress (list)
-- KEYS[4]  {ns}:reaper:rescues:<pool> (string): `includes/rescue_note.lua`
-- KEYS[5]  {ns}:jobs:<type>:lock (string)
-- KEYS[6]  {ns}:jobs:<type>:lock_info (hash)
-- KEYS[7]  {ns}:dead (zset)
-- KEYS[8]  {ns}:reaper:recoveries (hash)
-- KEYS[9]  {ns}:reaper:quarantine (hash)
-- KEYS[10] {ns}:job_stats:<id> (hash)
-- KEYS[11] {ns}:job_track:inprogress (hash)
-- KEYS[12…15] the hook of this change (`includes/hook_of_change.lua`)
-- KEYS[16] {ns}:reaper:quarantine:before:<id> (string)
-- KEYS[17] {ns}:executions:<policy> (zset): left out for a job that is not an execution of a policy
-- ARGV[1]  pool id
-- ARGV[2]  age in ms below which a heartbeat is alive
-- ARGV[3]  heartbeat_at that made the pool a suspect; '' for none
-- ARGV[4]  how often a job may be recovered within the window
-- ARGV[5]  the window (s)
-- ARGV[6]  type
-- ARGV[7]  job id
-- ARGV[8]  fingerprint of the judged stats
-- ARGV[9…11] the hook of this change
-- ARGV[12] token of the pass
-- ARGV[13] for a planned rescue: the mark of the entry (`includes/mark.lua`); left out otherwise
-- Reply    { 'alive' }, or a reply of quarantineEntry; { 'gone' } for an entry with another mark
-- Repeats its first reply when it is sent again (`includes/once.lua`).
-- Also written by: gocraft (fetch, finish, requeue, stale locks, heartbeat, its tools for dead entries), the Go jobservice (set status,
-- ACK, reset).
--- @include once
--- @include alive
--- @include quarantine
--- @include mark

local pools, heartbeat = KEYS[1], KEYS[2]
local k = { held = KEYS[3], lock = KEYS[5], lockInfo = KEYS[6], dead = KEYS[7], recoveries = KEYS[8], quarantine = KEYS[9],
  stats = KEYS[10], track = KEYS[11], before = KEYS[16], executions = KEYS[17] }
local of = { pool = ARGV[1], seen = ARGV[3], maxRecoveries = ARGV[4], window = ARGV[5], type = ARGV[6], id = ARGV[7], judged = ARGV[8],
  pass = ARGV[12] }
local refusal = refusalOf({ { pools, 'set', 'SISMEMBER' }, { heartbeat, 'hash', 'HGET' }, readsOfQuarantine(k) })
if refusal then
  return refusal
end
if alive(pools, heartbeat, of.pool, ARGV[2], of.seen) then
  return { 'alive' }
end
local entry = redis.call('LINDEX', k.held, -1)
if entry and ARGV[13] and ARGV[13] ~= markOf('q', entry) then
  return { 'gone' }
end
k.note = writableNote(KEYS[4])
return quarantineEntry(k, of, hookOfChange(12, 9), entry)

-- Quarantines an orphaned entry of a LIVE pool (defects 7 and 10), which `requeue_orphan` has found to be poison. Proves again that the
-- entry is orphaned (`includes/orphan_proof.lua`), since a worker may have begun it, and checks that its job has been recovered as often
-- as it may be, and that its stats are as they were judged. The rest is in `includes/quarantine.lua`.
--
-- KEYS[1]  {ns}:jobs:<type>:<pool>:inprogress (list)
-- KEYS[2]  {ns}:jobs:<type>:lock (string)
-- KEYS[3]  {ns}:jobs:<type>:lock_info (hash)
-- KEYS[4]  {ns}:dead (zset)
-- KEYS[5]  {ns}:reaper:recoveries (hash)
-- KEYS[6]  {ns}:reaper:quarantine (hash)
-- KEYS[7]  {ns}:job_stats:<id> (hash)
-- KEYS[8]  {ns}:job_track:inprogress (hash)
-- KEYS[9…12] the hook of this change (`includes/hook_of_change.lua`)
-- KEYS[13] {ns}:reaper:quarantine:before:<id> (string)
-- KEYS[14] {ns}:executions:<policy> (zset): left out for a job that is not an execution of a policy
-- KEYS[…]  {ns}:worker_pools (set), {ns}:worker_pools:<pool> (hash): its heartbeat, {ns}:reaper:workers:<pool> (hash),
--          {ns}:reaper:unobserved:<pool> (hash), and {ns}:worker:<worker> (hash): observation of each worker of the pool
-- ARGV[1]  pool id
-- ARGV[2]  the entry: its SHA-1 and index (`includes/entry_at.lua`)
-- ARGV[3]  how often a job may be recovered within the window
-- ARGV[4]  the window (s)
-- ARGV[5]  type
-- ARGV[6]  job id
-- ARGV[7]  fingerprint of the judged stats
-- ARGV[8…10] the hook of this change
-- ARGV[11] token of the pass
-- ARGV[12…16] age in ms below which a heartbeat is alive; field of the entry among the unobserved ones; how long it must be unobserved
--          (ms); '', or a time in ms that replaces the clock of Redis for observations; heartbeat_at of a pool that is alive because
--          its heartbeat moves, else ''
-- ARGV[17…] id of each worker
-- Reply    as of quarantineEntry; { 'gone' } also if nothing proves any more that the entry is orphaned
-- Repeats its first reply when it is sent again (`includes/once.lua`).
-- Also written by: as for quarantine_entry; gocraft (observations).
--- @include once
--- @include quarantine
--- @include orphan_proof

local workers = { unpack(ARGV, 17) }
local last = #KEYS - #workers
local k = { held = KEYS[1], lock = KEYS[2], lockInfo = KEYS[3], dead = KEYS[4], recoveries = KEYS[5], quarantine = KEYS[6],
  stats = KEYS[7], track = KEYS[8], before = KEYS[13], executions = last > 17 and KEYS[14] or nil, pools = KEYS[last - 3],
  heartbeat = KEYS[last - 2], workers = KEYS[last - 1], unobserved = KEYS[last], observations = { unpack(KEYS, last + 1) } }
local of = { pool = ARGV[1], seen = '', maxRecoveries = ARGV[3], window = ARGV[4], type = ARGV[5], id = ARGV[6], judged = ARGV[7],
  pass = ARGV[11], place = ARGV[2], job = ARGV[6], maxAge = ARGV[12], field = ARGV[13], minAge = ARGV[14], override = ARGV[15],
  moves = ARGV[16], replaced = '', workers = workers }
local refusal = refusalOf({ readsOfQuarantine(k) })
if refusal then
  return refusal
end
local unproven, orphan = proveOrphan(k, of)
if unproven then
  return unproven.err and unproven or { 'gone' }
end
return quarantineEntry(k, of, hookOfChange(9, 8), orphan.entry)

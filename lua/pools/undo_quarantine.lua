-- Undoes a quarantine: requeues the same bytes of the entry, and gives its job the facts from before, if all is as the quarantine has left
-- it. The recoveries that led to the quarantine do not count any more, as after a release: else the next death would repeat it.
--
-- KEYS[1]  {ns}:job_stats:<id> (hash)
-- KEYS[2]  {ns}:job_track:inprogress (hash)
-- KEYS[3]  {ns}:reaper:hooks (hash)
-- KEYS[4]  {ns}:reaper:hooks:parked (zset)
-- KEYS[5]  {ns}:reaper:hooks:due:<origin> (zset): of the job's record, if it has one
-- KEYS[6]  {ns}:reaper:quarantine (hash)
-- KEYS[7]  {ns}:dead (zset)
-- KEYS[8]  {ns}:jobs:<type> (list): the queue
-- KEYS[9]  {ns}:reaper:recoveries (hash)
-- KEYS[10] {ns}:executions:<policy> (zset): left out for a job that is not an execution of a policy
-- ARGV[1…5] as of undo_status
-- ARGV[6]  job type
-- Reply    as of undo_status
-- Repeats its first reply when it is sent again (`includes/once.lua`).
-- Also written by: quarantine_entry, quarantine_orphan, drop_quarantined, release_quarantined; gocraft (enqueue, fetch, its tools for
-- dead entries); the Go jobservice (set status, ACK, reset).
-- LPUSH is the first write, because Redis refuses it under memory pressure, and then nothing has been written.
--- @include once
--- @include plan
--- @include undo
--- @include quarantine_record

local stats, track, hooks, parked, due, quarantine, dead, queue, recoveries, executions = unpack(KEYS)
local id, seen, entry, jobType = ARGV[1], ARGV[4], ARGV[5], ARGV[6]
local uses = {
  { queue, 'list', 'LPUSH' },
  { quarantine, 'hash', 'HGET', 'HSET', 'HDEL' },
  { dead, 'zset', 'ZSCORE', 'ZREM' },
  { recoveries, 'hash', 'HGET', 'HSET', 'HDEL' },
  executions and { executions, 'zset', 'ZSCORE', 'ZADD' } or nil,
}
for _, use in ipairs({ usesOfRestore(stats, track, hooks, parked, due) }) do
  uses[#uses + 1] = use
end
local refusal = refusalOf(unlessPlan(uses))
if refusal then
  return refusal
end
local was, is = cjson.decode(ARGV[2]), cjson.decode(ARGV[3])
local stored = redis.call('HGET', quarantine, id)
local digest = stored and redis.sha1hex(stored) or ''
local record = digest == is.record and readQuarantined(stored) or nil
-- The quarantine has added its entry at the end.
local last = record and record.entries[#record.entries] or nil
if not last or last[1] ~= jobType then
  return movedReply('quarantine', is.record or '', digest)
elseif not redis.call('ZSCORE', dead, last[3]) then
  return movedReply('dead', 'an entry', '')
end
-- A job that had ended, or had no stats, was left as it was.
local fails, hook = is.status == 'Error', 'none'
local before, time = factsOf(stats, track, id), now()
if fails then
  local moved
  hook, moved = unmovedHook(hooks, due, id, seen, before, was, is)
  if moved then
    return moved
  end
end
if hook == 'sending' then
  return { 'sending' }
elseif isPlan then
  return { 'done', hook }
end
local runAt = tonumber(redis.call('HMGET', stats, 'run_at')[1] or '')
redis.call('LPUSH', queue, last[2])
redis.call('ZREM', dead, last[3])
table.remove(record.entries)
if #record.entries > 0 then
  redis.call('HSET', quarantine, id, cjson.encode(record))
else
  redis.call('HDEL', quarantine, id)
end
local rest = withoutRecoveries(redis.call('HGET', recoveries, id), record.recoveries)
if rest then
  redis.call('HSET', recoveries, id, rest)
else
  redis.call('HDEL', recoveries, id)
end
if fails then
  restoreFacts(stats, track, id, was, before, time)
  if executions and runAt and tonumber(redis.call('ZSCORE', executions, id) or '') == -1 then
    redis.call('ZADD', executions, 'XX', runAt, id)
  end
end
if hook == 'unsent' or hook == 'tried' then
  forgetHook(hooks, parked, due, id)
end
return recorded(answerOnce({ 'done', hook }), { what = 'undo', job = id, of = entry, was = before,
  is = changedFacts(before, factsOf(stats, track, id)) })

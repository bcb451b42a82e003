--- @include counters
--- @include now
--- @include entry
--- @include recovery
--- @include dead_entry
--- @include quarantine_record
--- @include rank
--- @include count_down
--- @include facts
--- @include write_status
--- @include signs
--- @include hook_of_change
--- @include rescue_note
--- @include audit

-- What `refusalOf` has to prove before quarantineEntry may be called.
local function readsOfQuarantine(k)
  return { k.held, 'list', 'LINDEX' }, { k.recoveries, 'hash', 'HGET' }, { k.quarantine, 'hash', 'HGET' },
    { k.dead, 'zset', 'ZSCORE' }
end

-- What a quarantine writes. Arguments as in `quarantineEntry`.
local function writesOfQuarantine(k, forgets, fails)
  local writes = withCounters({
    { k.dead, 'zset', 'ZADD', 'ZSCORE' },
    { k.held, 'list', 'LREM', 'LLEN' },
    { k.quarantine, 'hash', 'HGET', 'HSET', 'HRANDFIELD', 'HDEL', 'EXPIRE' },
  }, k.lock, k.lockInfo)
  if k.unobserved then
    writes[#writes + 1] = { k.unobserved, 'hash', 'HDEL' }
  end
  if forgets then
    writes[#writes + 1] = { k.recoveries, 'hash', 'HSET' }
  end
  if fails then
    writes[#writes + 1] = { k.stats, 'hash', 'HGET', 'HMGET', 'HSET', 'EXPIRE' }
    writes[#writes + 1] = { k.track, 'hash', 'HGET', 'HSET', 'HDEL' }
    writes[#writes + 1] = { k.before, 'string', 'SET' }
    writes[#writes + 1] = k.executions and { k.executions, 'zset', 'ZADD' } or nil
  end
  return writes
end

-- Makes the job Error. This Error is not a sign of life, so the signs from before are kept (`signsOf` in `includes/orphan.lua`).
local function failQuarantined(k, id)
  local signs = { before = readSigns(k.stats) }
  writeStatus(k.stats, k.track, id, 'Error')
  signs.after = textOfSigns(readSigns(k.stats))
  -- As long as observe_pool keeps its records.
  redis.call('SET', k.before, cjson.encode(signs), 'EX', 86400)
  if k.executions then
    redis.call('ZADD', k.executions, 'XX', -1, id)
  end
end

-- Moves an entry from an in-progress list to gocraft's `dead`, in the form in which gocraft writes an entry that has failed for the last
-- time. The counters follow, the job becomes Error and its hook is enqueued, and the record of the quarantine keeps the original bytes.
--
-- k:  the keys held, lock, lockInfo, dead, recoveries, quarantine, stats, track, before (signs of life before the quarantine), and
--     executions of the policy (nil for a job that is not an execution); of a dead pool note (nil if it may not be written); of a live one
--     unobserved
-- of: pool, seen (heartbeat_at that made the pool a suspect, or ''), maxRecoveries (how often a job may be recovered), window (s),
--     type, id, judged (fingerprint of the stats), pass (token of the pass), and field of the entry in unobserved
-- hook: the hook of this change (`includes/hook_of_change.lua`), or nil
--
-- Returns a reply of the scripts that use it:
--   { 'gone' }: it is not an entry of that job
--   { 'below-limit' }: the job may still be recovered
--   { 'overtaken' }: the job has changed since it was judged
--   { 'quarantined', JSON of its recoveries including this one, as in `includes/recovery.lua` }
local function quarantineEntry(k, of, hook, entry)
  if not entry or countedJobOf(entry) ~= of.id then
    return { 'gone' }
  end
  local death = deathOf(of.pool, of.seen, of.window, of.pass)
  local stored = redis.call('HGET', k.recoveries, of.id)
  local text = countedOf(stored, k.quarantine, k.dead, of.id)
  if not isPoison(entry, text, death, of.maxRecoveries) then
    return { 'below-limit' }
  end
  local before = recoveriesBefore(text, death)
  local facts = readFacts(k.stats)
  if of.judged ~= fingerprint(facts) then
    return { 'overtaken' }
  end
  -- The rule of set_status within one revision: only forward, so a final job stays as it is.
  local fails = type(facts) == 'table' and rank(redis.call('HGET', k.stats, 'status')) < 3
  hook = fails and hook or nil
  local forgets = text ~= stored
  local refusal = refusalOf(withHook(writesOfQuarantine(k, forgets, fails), hook))
  if refusal then
    return refusal
  end

  local was = auditedFacts(k.stats, k.track, of.id)
  local err = string.format('jobservice-reaper: quarantined, for its worker died or lost it %d times within %g h',
    #before + 1, of.window / 3600)
  local member = deadEntry(entry, err, death.at)
  -- ZADD is the first write, because Redis refuses it under memory pressure, and then nothing has been written.
  redis.call('ZADD', k.dead, death.at, member)
  redis.call('LREM', k.held, -1, entry)
  if k.unobserved then
    -- Else the same bytes, once released and fetched again, would be orphaned at once.
    redis.call('HDEL', k.unobserved, of.field)
  end
  if forgets then
    -- Recoveries before the last release do not count, and the new record must not contain them.
    redis.call('HSET', k.recoveries, of.id, text)
  end
  before[#before + 1] = { death.at, of.pool, of.seen, death.pass }
  local record = { at = death.at, recoveries = before }
  keepQuarantined(k.quarantine, k.dead, of.id, record, { of.type, entry, member }, death.window)
  countDownLocks(k.lock, k.lockInfo, of.pool, k.held, 1)
  writeNote(k.note)

  if fails then
    failQuarantined(k, of.id)
  end
  if hook then
    hook.enqueue(of.id, k.stats)
  end
  local is = was and changedFacts(was, auditedFacts(k.stats, k.track, of.id))
  if is then
    is.record = redis.sha1hex(redis.call('HGET', k.quarantine, of.id))
  end
  return recorded(answerOnce({ 'quarantined', cjson.encode(before) }),
    { what = 'quarantine', job = of.id, pool = of.pool, type = of.type, was = was, is = is })
end

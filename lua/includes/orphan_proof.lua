--- @include alive
--- @include entry_at
--- @include now
--- @include orphan
--- @include recovery

-- The proof that an entry of a LIVE pool is orphaned. The step that takes the entry checks everything again: that the pool is alive,
-- which workers it has, what each of them is observed with, and that the entry is still in the list and has been unobserved for long
-- enough while the stats of its job did not change.
--
-- What proves that no worker runs it:
-- - the status of its job is Pending or Scheduled, or Error of the attempt before, or is older than the last recovery of the job: a
--   run begins by changing that, and ends at once if it cannot
-- - otherwise (Running, final, no stats) each worker of the pool was observed with another job since (`includes/orphan.lua`)

-- Whether the job has Error of the attempt before the one that the entry is for.
local function isEarlierError(facts, entry, members)
  local member = members.failed_at
  local failedAt = member and tonumber(string.match(entry, '^%d+', member[1]) or '')
  return facts.status == 'Error' and failedAt and facts.updated and facts.updated <= failedAt + 10
end

-- Whether the stats are older than the last recovery. The age of the heartbeat limits how far the clock of the pool's host is behind that
-- of Redis. If the job had run since, its stats would be no older than that.
local function isOlderThanRecovery(facts, text, death, since, second, beat)
  local last = nil
  for _, one in ipairs(readRecoveries(text)) do
    if not death.pass or one[4] ~= death.pass then
      last = one[1]
    end
  end
  local slack = math.max(0, second - (tonumber(beat) or 0)) + 1
  return last and last * 1000 <= since and facts.updated and facts.revision and facts.updated < last - slack
    and facts.revision < last - slack
end

-- Whether the pool is alive and has the workers that were given. Returns the reply if not, else its heartbeat_at and its workers.
local function workersOfLive(k, of)
  local beat = redis.call('HGET', k.heartbeat, 'heartbeat_at') or ''
  if not alive(k.pools, k.heartbeat, of.pool, of.maxAge, beat, of.moves) then
    return { 'dead' }
  end
  local given, workers = {}, {}
  for _, worker in ipairs(of.workers) do
    given[worker] = true
  end
  for worker in string.gmatch(redis.call('HGET', k.heartbeat, 'worker_ids') or '', '[^,]+') do
    if not given[worker] then
      return { 'changed' }
    end
    workers[#workers + 1] = worker
  end
  return nil, beat, workers
end

-- Whether a worker is observed with the job. Returns the reply if so, or if that cannot be read.
local function observedReply(observations, job, id)
  for _, key in ipairs(observations) do
    local observation = readObservation(key)
    if observation == 'unreadable' then
      return { 'undecided' } -- its worker cannot write it either
    end
    -- An observation without args may be of any execution of the policy.
    if observation and (observation.job == job or observation.job == id) then
      return { 'observed' }
    end
  end
  return nil
end

-- k:  the keys pools, heartbeat, held, stats, recoveries, before (signs of life before the quarantine), workers and unobserved (the
--     records of `includes/orphan.lua`), observations (of each worker)
-- of: pool, maxAge (ms below which a heartbeat is alive), place (`includes/entry_at.lua`), job, field (of the entry in unobserved),
--     minAge (how long it must be unobserved, ms), override ('', or a time in ms that replaces the clock of Redis), window (s), replaced
--     (records of a plan, JSON; '' for those in Redis), moves (heartbeat_at that moves, or ''), pass (token), workers (their ids)
--
-- Returns a refusal, or the reply that says why the entry is not proven:
--   { 'early' }: it is not unobserved for long enough, or the job has changed
--   { 'undecided' }, { 'observed' }, { 'gone' }, { 'dead' }: the pool is not alive; { 'changed' }: the pool has other workers
-- or nil and { entry, counted (job whose recoveries are counted), recoveries (their text), death }
local function proveOrphan(k, of)
  local refusal = refusalOf({
    { k.pools, 'set', 'SISMEMBER' },
    { k.heartbeat, 'hash', 'HGET' },
    { k.held, 'list', 'LINDEX' },
    { k.workers, 'hash', 'HGETALL' },
    { k.unobserved, 'hash', 'HGET' },
    { k.before, 'string', 'GET' },
  })
  if refusal then
    return refusal
  end
  local reply, beat, workers = workersOfLive(k, of)
  if reply then
    return reply
  end
  local entry = entryAt(k.held, of.place)
  if not entry then
    return { 'gone' }
  end
  local found, id, members = jobOf(entry)
  -- An id that is not UTF-8 differs from the one that the client has read.
  if #workers == 0 or found ~= of.job then
    return { 'undecided' }
  end
  reply = observedReply(k.observations, of.job, id)
  if reply then
    return reply
  end

  local remembered = of.replaced ~= '' and cjson.decode(of.replaced) or {}
  local known = remembered.workers or hashOf(redis.call('HGETALL', k.workers))
  local kept = nil
  if remembered.unobserved then
    kept = remembered.unobserved[of.field]
  else
    kept = redis.call('HGET', k.unobserved, of.field)
  end
  local at = observationTime(of.override)
  local since, signs = sinceOf(kept or nil)
  local stand, facts = signsOf(k.stats, k.before)
  if not since or not isValid(known, at) or at - since < tonumber(of.minAge) or signs ~= stand then
    return { 'early' }
  end

  local death = deathOf(of.pool, beat, of.window, of.pass)
  local counted = countedJobOf(entry)
  local second = now()
  -- pcall, because a record of the wrong type must not keep the entry from being requeued.
  local text = counted and redis.pcall('HGET', k.recoveries, counted)
  if type(text) ~= 'string' then
    text = nil
  end
  if facts.status == 'Success' and facts.updated and facts.updated <= second then
    return { 'early' } -- once it is a minute old, finish_entry removes it
  end
  local waits = facts.status == 'Pending' or facts.status == 'Scheduled'
  -- A time that is further ahead than the tolerance (5 min) proves nothing.
  local updated = facts.updated and facts.updated <= second + 300 and facts.updated or nil
  if not waits and not isEarlierError(facts, entry, members) and not isOlderThanRecovery(facts, text, death, since, second, beat)
    and not isProven(known, workers, of.job, id, since, updated) then
    return { 'undecided' }
  end
  return nil, { entry = entry, counted = counted, recoveries = text, death = death }
end

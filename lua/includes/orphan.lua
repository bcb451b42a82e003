--- @include entry
--- @include now_ms
--- @include run_id
--- @include read_fields
--- @include signs

-- Proves that an entry of a live pool is orphaned: no worker of the pool runs it (defect 7). All evidence is in Redis, so that all reapers
-- decide alike, even one that has just started.
--
-- {ns}:reaper:workers:<pool> (hash)
--   at                 time of the last pass (ms)
--   run                which process of Redis it was read from
--   w:<worker>         `<after> <here> <started> <checkin> <job>`: the last observation of the worker, whether it still exists (`here`:
--                      1 or 0), and a time after which it was written (ms)
-- {ns}:reaper:unobserved:<pool> (hash)
--   <SHA-1> <type>     of an entry: `<since> <signs>`: the pass that first found it unobserved (ms), and the signs of life in the stats of
--                      its job then
--
-- A worker runs one job at a time. An observation of another job that was written after the entry was fetched proves that the worker does
-- not run the entry. The clocks of hosts do not count: an observation that has changed since the last pass was written after it. An
-- observation is written once and may be lost, evicted or expired, so a missing one proves nothing.

-- The time of Redis in ms. Tests pass another time, to let hours pass.
local function observationTime(override)
  return override ~= '' and tonumber(override) or redisMs()
end

local function hashOf(flat)
  local hash = {}
  for i = 1, #flat, 2 do
    hash[flat[i]] = flat[i + 1]
  end
  return hash
end

-- Whether the records are valid. Those of another process of Redis or of a later time are not, because its clock may differ. Without the
-- right to INFO no record is valid, because a restart or failover would not be seen.
local function isValid(known, at)
  local run = runId()
  return known.at ~= nil and run ~= '' and known.run == run and (tonumber(known.at) or at + 1) <= at
end

-- The signs of life of a job, as one text. The Error that a quarantine writes is not a sign of life: those from before it count, as long as
-- nothing else has changed. So the order in which a pass handles several entries of a job does not matter.
local function signsOf(stats, beforeQuarantine)
  local values = readSigns(stats)
  if not values then
    return 'unreadable', {}
  end
  if values[1] == 'Error' then
    local text = redis.pcall('GET', beforeQuarantine)
    local isRead, known = pcall(cjson.decode, type(text) == 'string' and text or '')
    if isRead and type(known) == 'table' and known.after == textOfSigns(values) then
      values = known.before
    end
  end
  return textOfSigns(values), { status = values[1], updated = tonumber(values[2]), revision = tonumber(values[4]) }
end

local function sinceOf(text)
  local since, signs = string.match(text or '', '^(%d+) (.*)$')
  return tonumber(since), signs
end

-- Reads an observation. Returns nil if there is none, `unreadable` if the key is not a hash.
local function readObservation(key)
  local values = readFields(key, 'job_id', 'started_at', 'checkin_at', 'args')
  if not values then
    return 'unreadable'
  end
  local job = jobIdOf(values[1], values[4])
  return job and { job = job, id = values[1], started = tonumber(values[2] or ''), checkin = values[3] or '' }
end

local function readWorker(text)
  local after, here, started, checkin, job = string.match(text or '', '^(%d+) ([01]) (%S+) (%S+) (.*)$')
  return after and { after = tonumber(after), here = here == '1', started = tonumber(started), checkin = checkin, job = job }
end

-- The new record of a worker. `was`: its record before; `before`: the time of the last pass, nil for none.
local function observeWorker(seen, was, before)
  if seen == 'unreadable' then
    return was
  end
  if not seen then
    return was and { after = was.after, here = false, started = was.started, checkin = was.checkin, job = was.job }
      or { after = 0, here = false, checkin = '-', job = '' }
  end
  local checkin = seen.checkin == '' and '-' or string.gsub(seen.checkin, '%s', '_')
  local isNew = was and before
    and not (was.here and was.job == seen.job and was.started == seen.started and was.checkin == checkin)
  -- An observation that began before the recorded one was written late.
  if isNew and was.started and (seen.started or 0) < was.started then
    return was
  end
  return { after = isNew and before or was and was.after or 0, here = true, started = seen.started, checkin = checkin,
    job = seen.job }
end

local function workerText(worker)
  return string.format('%d %d %s %s %s', worker.after, worker.here and 1 or 0,
    worker.started and string.format('%.0f', worker.started) or '-', worker.checkin, worker.job)
end

-- Whether each worker was observed with another job since `since`. `id` is the id in the entry: an observation without args may be of any
-- execution of a policy. `updated`: update_time of the job's stats, or nil. If the pool ran the job, the same host wrote it and the
-- observations. An observation of a job that began before it may have been held back by a stalled connection.
local function isProven(known, workers, job, id, since, updated)
  for _, name in ipairs(workers) do
    local worker = readWorker(known['w:' .. name])
    if not worker or worker.job == '' or worker.job == job or worker.job == id or worker.after < since
      or (updated and (worker.started or 0) < updated) then
      return false
    end
  end
  return #workers > 0
end

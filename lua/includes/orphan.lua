--- @include entry
--- @include now_ms
--- @include run_id
--- @include read_fields
--- @include signs

-- What proves that an entry which a live pool holds is orphaned: that no worker of the pool runs it (defect 7). All that
-- decides stands in Redis, so that every reaper decides alike, one that has just started included.
--
-- workers (hash, one a pool):    `at`: ms of the last look; `run`: the process of Redis that it was taken on;
--                                `w:<worker>` → `<after> <here> <started> <checkin> <job>`: what its observation said when it
--                                was last there (`here`: 1 if it is there still), and a time after which it was written
-- unobserved (hash, one a pool): SHA-1 and type of an entry → `<since> <signs>`: the look that first found it unobserved (ms),
--                                and the signs of life of its job's stats by then
--
-- A worker runs one job at a time. So an observation of another job, written after an entry was seen to be taken, proves that
-- its worker does not run that entry. No clock of a host counts: an observation that differs from the one at the look before
-- was written after that look. What worker hosts write once may be lost, evicted or expired: silence proves nothing.

-- The time of a look: the clock of Redis in ms, or what stands for it in a test in which hours pass.
local function lookTime(override)
  return override ~= '' and tonumber(override) or redisMs()
end

local function hashOf(flat)
  local hash = {}
  for i = 1, #flat, 2 do
    hash[flat[i]] = flat[i + 1]
  end
  return hash
end

-- Records of another process of Redis, or of a time that is still to come, are void: the clock is another one. Where the user
-- may not ask which process it is (INFO), all are: a restart or a failover would not be seen.
local function isValid(known, at)
  local run = runId()
  return known.at ~= nil and run ~= '' and known.run == run and (tonumber(known.at) or at + 1) <= at
end

-- A job's signs of life as one text. That a quarantine has made the job an Error is none: those from before it count then,
-- as long as nothing else has changed. So it is all the same which of a job's entries a pass comes to first.
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

-- What an observation says, or nil where there is none; `unreadable` where the key is no hash.
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

-- The record of a worker after a look. `before`: its record and the time of the look before, nil for none.
local function lookAtWorker(seen, was, before)
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
  -- One that began before the one that was seen last has come late.
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

-- Whether each of the workers was seen, since then, at another job than this one. `id` stands in the entry itself: an
-- observation that has no args may be of any execution of a policy. `updated`: update_time of the job's stats, or nil. Did the
-- pool run the job, it was written by the same host as the observations: one of a job that began before it may be a write
-- that a stalled connection has held back.
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

--- @include prove
--- @include quarantine_record

-- How often a job's entry has been taken from a worker that died, or lost it: a job that takes its worker down would
-- otherwise take down one after the other (defect 10). Needs `now` and `entry`.
--
-- recoveries (hash): job id → JSON [[unix s, pool, heartbeat_at that was seen or "", token of the pass], …], the oldest first;
--                    the token is left out where there is none
-- recovered (list):  who was recovered when, the oldest first: unix s and ids, a line each. By it what is older than the
--                    window is found. (A set by time would do as well; with it a rescue takes a third longer.)
--
-- A death is what an entry is recovered from. The same one counts once, for a list may hold an id twice, and a script
-- whose answer was lost is sent again: it is the same pool with the same heartbeat, or within a minute where there is none.
--
-- What a pass has requeued itself counts from the next pass on. So of a job that several pools hold, the pass does with each
-- entry what its plan says, whichever pool comes first.

local function deathOf(pool, seen, windowS, pass)
  local at = now()
  pass = pass ~= '' and pass or nil
  local first = cjson.encode({ { at, pool, seen, pass } })
  return { pool = pool, seen = seen, at = at, window = tonumber(windowS), pass = pass, first = first }
end

-- Whether the top level of an entry may have a second id, from `at` on. Nested ones are common, and no reason to scan it all:
-- this looks for quotes and braces only, which is several times faster, and does not care whether the rest is JSON.
local function mayHaveSecondId(entry, at)
  if find(entry, '\\u006', at, true) then
    return true -- an i or a d, escaped
  elseif not find(entry, '"id"', at, true) then
    return false
  end
  local depth = 1
  at = find(entry, '["{}%[%]]', at)
  while at do
    local found = byte(entry, at)
    if found ~= 34 then
      depth = depth + ((found == 123 or found == 91) and 1 or -1)
    elseif depth == 1 and find(entry, '^"id"%s*:', at) then
      return true
    else
      local slash
      repeat
        at = find(entry, '"', at + 1, true)
        slash = at and at - 1
        while slash and byte(entry, slash) == 92 do
          slash = slash - 1
        end
      until not at or (at - slash) % 2 == 1
      if not at then
        return true
      end
    end
    at = find(entry, '["{}%[%]]', at + 1)
  end
  return false
end

-- The id of an entry's job, or nil where it is not counted: where there is none, and where it has other bytes than
-- printable ASCII, which might not come back from a client as they were. (gocraft and Harbor make ids of hex digits.)
local function countedJobOf(entry)
  -- What a producer of gocraft/work writes first, where nothing needs unescaping: most entries need not be scanned, which
  -- makes up a good part of a rescue.
  local _, to, id = string.find(entry, '^{"name":"[^"\\]*","id":"([^"\\]+)",')
  if not to or string.find(entry, '_job_kind_periodic_', 1, true) or mayHaveSecondId(entry, to + 1) then
    id = jobOf(entry)
  end
  return id and string.find(id, '^[\32-\126]+$') and id or nil
end

-- Whether the records of recoveries can be written: an error that names the key, or nil. A dead pool's entries are not held
-- back by them; they go uncounted then.
local function recordsRefusal(recoveries, recovered)
  return refusalOf({
    { recoveries, 'hash', 'HGET', 'HMGET', 'HSET', 'HDEL', 'EXPIRE' },
    { recovered, 'list', 'LINDEX', 'RPUSH', 'LPOP', 'EXPIRE' },
  })
end

-- The recoveries within the window that came of other deaths, whether one that came of this is noted already, and how many of
-- the others count.
local function recoveriesBefore(text, death)
  local read, all = pcall(cjson.decode, text or '[]')
  local others, isNoted, count = {}, false, 0
  for _, one in ipairs(read and type(all) == 'table' and all or {}) do
    local at, pool, seen, pass = unpack(type(one) == 'table' and one or {})
    if (tonumber(at) or 0) > death.at - death.window then
      local isSame = pool == death.pool and seen == death.seen and (seen ~= '' or death.at - at < 60)
      isNoted = isNoted or isSame
      others[#others + 1] = not isSame and one or nil
      count = count + ((isSame or death.pass and pass == death.pass) and 0 or 1)
    end
  end
  return others, isNoted, count
end

-- What is noted of a job that is recovered now.
local function recoveryText(text, death)
  if not text then
    return death.first
  end
  local others, isNoted = recoveriesBefore(text, death)
  if isNoted then
    return text
  end
  others[#others + 1] = { death.at, death.pool, death.seen, death.pass }
  return cjson.encode(others)
end

-- Whether an entry must not be recovered again: its job was, as often as may be. One that can't be read never is.
local function isPoison(entry, text, death, most)
  local _, _, count = recoveriesBefore(text, death)
  return count >= tonumber(most) and membersOf(entry) ~= nil
end

-- What counts of a job's recoveries. Once a person has taken a quarantined entry from `dead`, by whatever tool, those that led
-- to the quarantine count no longer, as after a release: they stand in its record. While all of it is in `dead`, they count
-- for a second entry of the job.
local function countedOf(text, quarantine, dead, id)
  local found = text and quarantine and redis.pcall('HGET', quarantine, id)
  local record = type(found) == 'string' and readQuarantined(found)
  if not record or isAllInDead(dead, record) then
    return text
  end
  return withoutRecoveries(text, record.recoveries)
end

-- Forgets a bounded number of recoveries that are older than the window: each call takes up to four lines, where it
-- has noted one at the most. A job that was recovered again since stands further down in the list too, and is kept.
local function forgetRecoveries(recoveries, recovered, death)
  for _ = 1, 4 do
    local oldest = redis.pcall('LINDEX', recovered, 0)
    local at = type(oldest) == 'string' and tonumber(string.match(oldest, '^%d+'))
    if not at or at > death.at - death.window then
      return
    end
    for id in string.gmatch(oldest, '\n([^\n]+)') do
      local text = redis.call('HGET', recoveries, id)
      local others, isNoted = recoveriesBefore(text, death)
      if text and #others == 0 and not isNoted then
        redis.call('HDEL', recoveries, id)
      end
    end
    redis.call('LPOP', recovered)
  end
end

-- Notes recoveries ({ id, text, … }), of some hundred jobs at most. Call it after the entries have been moved, and only where
-- `recordsRefusal` has nothing against it.
local function noteRecoveries(recoveries, recovered, noted, death)
  local ids = { death.at }
  for i = 1, #noted, 2 do
    ids[#ids + 1] = noted[i]
  end
  if #noted > 0 then
    redis.call('HSET', recoveries, unpack(noted))
    redis.call('RPUSH', recovered, table.concat(ids, '\n'))
    redis.call('EXPIRE', recoveries, death.window)
    redis.call('EXPIRE', recovered, death.window)
  end
  forgetRecoveries(recoveries, recovered, death)
end

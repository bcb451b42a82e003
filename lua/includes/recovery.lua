--- @include prove
--- @include entry_id
--- @include quarantine_record

-- Counts how often the entries of a job were recovered from workers that died or lost them. Without a limit, a job that kills its worker
-- would kill one worker after the other (defect 10). Needs `now` and `entry`.
--
-- {ns}:reaper:recoveries (hash): job id → JSON [[unix s, pool, heartbeat_at that was seen or "", token of the pass], …], oldest first; the
--                                token is left out if there is none
-- {ns}:reaper:recovered (list):  oldest first, each element with one value a line: unix s, then the ids that were recovered then. It serves
--                                to find what is older than the window. (A sorted set makes a rescue a third slower.)
--
-- A death is the event that an entry is recovered from. Each death counts once, because a list may hold an id twice, and a script is sent
-- again if its reply is lost. It is the same death if the pool and its heartbeat are the same, without a heartbeat within a minute.
--
-- What a pass has requeued itself counts from the next pass on, and all passes that do the acts of one plan have one token. So if several
-- pools hold entries of a job, the pass does what its plan says, whatever the order of the pools.

local function deathOf(pool, seen, windowS, pass)
  local at = now()
  pass = pass ~= '' and pass or nil
  local first = cjson.encode({ { at, pool, seen, pass } })
  return { pool = pool, seen = seen, at = at, window = tonumber(windowS), pass = pass, first = first }
end

-- The id of an entry's job; nil if there is none, or if it has other bytes than printable ASCII, because a client might change them. Such
-- entries are not counted. (gocraft and Harbor make ids of hex digits.)
local function countedJobOf(entry)
  local id = idOf(entry)
  return id and string.find(id, '^[\32-\126]+$') and id or nil
end

-- Returns nil if the recoveries can be recorded, else an error that names the key. Entries of a dead pool are requeued all the same, without
-- being counted.
local function recordsRefusal(recoveries, recovered)
  return refusalOf({
    { recoveries, 'hash', 'HGET', 'HMGET', 'HSET', 'HDEL', 'EXPIRE' },
    { recovered, 'list', 'LINDEX', 'RPUSH', 'LPOP', 'EXPIRE' },
  })
end

-- Returns the recoveries within the window from other deaths, whether one from this death is already recorded, and how many of the others
-- count.
local function recoveriesBefore(text, death)
  local others, isRecorded, count = {}, false, 0
  for _, one in ipairs(readRecoveries(text)) do
    local at, pool, seen, pass = unpack(one)
    if at > death.at - death.window then
      local isSame = pool == death.pool and seen == death.seen and (seen ~= '' or death.at - at < 60)
      isRecorded = isRecorded or isSame
      others[#others + 1] = not isSame and one or nil
      count = count + ((isSame or death.pass and pass == death.pass) and 0 or 1)
    end
  end
  return others, isRecorded, count
end

-- The new text of a job that is recovered now.
local function recoveryText(text, death)
  if not text then
    return death.first
  end
  local others, isRecorded = recoveriesBefore(text, death)
  if isRecorded then
    return text
  end
  others[#others + 1] = { death.at, death.pool, death.seen, death.pass }
  return cjson.encode(others)
end

-- Whether an entry must not be recovered again, because its job has reached the limit. An entry that cannot be read is never poison.
local function isPoison(entry, text, death, maxRecoveries)
  local _, _, count = recoveriesBefore(text, death)
  return count >= tonumber(maxRecoveries) and membersOf(entry) ~= nil
end

-- Returns the recoveries of a job that count. Those that led to a quarantine do not count any more once a user has taken one of its entries
-- out of `dead`, by any tool. They are in its record. As long as all its entries are in `dead`, they count for further entries of the
-- job.
local function countedOf(text, quarantine, dead, id)
  local found = text and quarantine and redis.pcall('HGET', quarantine, id)
  local record = type(found) == 'string' and readQuarantined(found)
  if not record or isAllInDead(dead, record) then
    return text
  end
  return withoutRecoveries(text, record.recoveries)
end

-- Deletes a bounded number of recoveries that are older than the window: up to four elements of the list for each one that is added. A job
-- that was recovered again since is also in a later element, and is kept.
local function forgetRecoveries(recoveries, recovered, death)
  for _ = 1, 4 do
    local oldest = redis.pcall('LINDEX', recovered, 0)
    local at = type(oldest) == 'string' and tonumber(string.match(oldest, '^%d+'))
    if not at or at > death.at - death.window then
      return
    end
    for id in string.gmatch(oldest, '\n([^\n]+)') do
      local text = redis.call('HGET', recoveries, id)
      local others, isRecorded = recoveriesBefore(text, death)
      if text and #others == 0 and not isRecorded then
        redis.call('HDEL', recoveries, id)
      end
    end
    redis.call('LPOP', recovered)
  end
end

-- Records recoveries ({ id, text, … }) of some hundred jobs at most. Call it after the entries were moved, and only if `recordsRefusal`
-- returns nil.
local function recordRecoveries(recoveries, recovered, updates, death)
  local ids = { death.at }
  for i = 1, #updates, 2 do
    ids[#ids + 1] = updates[i]
  end
  if #updates > 0 then
    redis.call('HSET', recoveries, unpack(updates))
    redis.call('RPUSH', recovered, table.concat(ids, '\n'))
    redis.call('EXPIRE', recoveries, death.window)
    redis.call('EXPIRE', recovered, death.window)
  end
  forgetRecoveries(recoveries, recovered, death)
end

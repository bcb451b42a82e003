-- How often a job's entry has been taken from a worker that died, or lost it: a job that takes its worker down would
-- otherwise take down one after the other (defect 10). Needs `now` and `entry`.
--
-- recoveries (hash): job id → JSON [[unix s, pool, heartbeat_at that was seen or ""], …], the oldest first
-- recovered (zset):  job id by the unix s of its last recovery, by which what is older than the window is found
--
-- A death is what an entry is recovered from. The same one counts once, for a list may hold an id twice, and a script
-- whose answer was lost is sent again: it is the same pool with the same heartbeat, or within a minute where there is none.

local function deathOf(pool, seen, windowS)
  local at = now()
  return { pool = pool, seen = seen, at = at, window = tonumber(windowS), note = cjson.encode({ at, pool, seen }) }
end

-- The id of an entry's job, or nil where it is not counted: where there is none, and where it has other bytes than
-- printable ASCII, which might not come back from a client as they were. (gocraft and Harbor make ids of hex digits.)
local function countedJobOf(entry)
  local id = jobOf(entry)
  return id and string.find(id, '^[\32-\126]+$') and id or nil
end

-- The recoveries within the window that came of other deaths, and whether one that came of this is noted already.
local function recoveriesBefore(text, death)
  local read, all = pcall(cjson.decode, text or '[]')
  local others, isNoted = {}, false
  for _, one in ipairs(read and type(all) == 'table' and all or {}) do
    local at, pool, seen = unpack(type(one) == 'table' and one or {})
    if (tonumber(at) or 0) > death.at - death.window then
      local isSame = pool == death.pool and seen == death.seen and (seen ~= '' or death.at - at < 60)
      isNoted = isNoted or isSame
      others[#others + 1] = not isSame and one or nil
    end
  end
  return others, isNoted
end

-- What is noted of a job that is recovered now.
local function recoveryText(text, death)
  if not text then
    return '[' .. death.note .. ']'
  end
  local others, isNoted = recoveriesBefore(text, death)
  if isNoted then
    return text
  end
  others[#others + 1] = cjson.decode(death.note)
  return cjson.encode(others)
end

-- Notes recoveries (id → text); forgets a bounded number that are older than the window. Call it after the entries have
-- been moved: what is refused under memory pressure must come before what is not. pcall: a key of ours that somebody has
-- made another type of must not hold an entry back.
local function noteRecoveries(recoveries, recovered, texts, death)
  local fields, scores = {}, {}
  for id, text in pairs(texts) do
    fields[#fields + 1], fields[#fields + 2] = id, text
    scores[#scores + 1], scores[#scores + 2] = death.at, id
  end
  if #fields > 0 then
    redis.pcall('HSET', recoveries, unpack(fields))
    redis.pcall('ZADD', recovered, unpack(scores))
    redis.call('EXPIRE', recoveries, death.window)
    redis.call('EXPIRE', recovered, death.window)
  end
  local old = redis.pcall('ZRANGEBYSCORE', recovered, '-inf', death.at - death.window, 'LIMIT', 0, 1000)
  if #old > 0 then
    redis.pcall('HDEL', recoveries, unpack(old))
    redis.call('ZREM', recovered, unpack(old))
  end
end

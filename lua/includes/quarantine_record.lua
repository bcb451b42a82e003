-- The record of a job in quarantine (hash: job id → JSON):
--
--   { at: unix s, recoveries: [[unix s, pool, heartbeat_at], …] the last one included, entries: [[type, entry, dead entry], …] }
--
-- Of entries there are several only where a job had several. They hold what only the job's worker should see: they are
-- here so that a release puts back the same bytes, and no script returns them.
local function readQuarantined(text)
  local read, record = pcall(cjson.decode, text or '')
  if read and type(record) == 'table' and type(record.entries) == 'table' and type(record.recoveries) == 'table' then
    return record
  end
  return nil
end

-- Whether something of it stands in `dead` still: gocraft's own tools may have taken it.
local function isInDead(dead, record)
  for _, entry in ipairs(record.entries) do
    if redis.call('ZSCORE', dead, entry[3]) then
      return true
    end
  end
  return false
end

-- Whether no person has taken any of it from `dead`.
local function isAllInDead(dead, record)
  for _, entry in ipairs(record.entries) do
    local score = redis.pcall('ZSCORE', dead, entry[3])
    if not score or type(score) == 'table' then
      return false
    end
  end
  return true
end

-- A text of recoveries (`includes/recovery.lua`) without some of them; nil where none is left.
local function withoutRecoveries(text, others)
  local known, rest = {}, {}
  for _, one in ipairs(others) do
    known[cjson.encode(one)] = true
  end
  local read, all = pcall(cjson.decode, text or '')
  for _, one in ipairs(read and type(all) == 'table' and all or {}) do
    rest[#rest + 1] = not known[cjson.encode(one)] and one or nil
  end
  return #rest > 0 and cjson.encode(rest) or nil
end

-- Notes an entry that has gone to `dead`. Forgets some records that are of no use any more: a few at random each time, so
-- that in the long run none is left. Everything expires, in case the namespace is used without a reaper later.
local function keepQuarantined(quarantine, dead, id, record, entry, windowS)
  local known = readQuarantined(redis.call('HGET', quarantine, id))
  record.entries = {}
  for _, other in ipairs(known and known.entries or {}) do
    if redis.call('ZSCORE', dead, other[3]) then
      record.entries[#record.entries + 1] = other
    end
  end
  record.entries[#record.entries + 1] = entry
  redis.call('HSET', quarantine, id, cjson.encode(record))
  local size = 0
  for _, other in ipairs(redis.call('HRANDFIELD', quarantine, 10)) do
    local text = redis.call('HGET', quarantine, other) or ''
    -- Decoded only where it is old: entries may be large. In an entry each quote has a backslash before it.
    local at = tonumber(string.match(text, '[{,]"at":(%d+)[,}]') or '')
    if not at or at < record.at - math.max(2592000, windowS) then
      local old = readQuarantined(text)
      if not old or not isInDead(dead, old) then
        redis.call('HDEL', quarantine, other)
      end
    end
    size = size + #text
    if size > 1000000 then
      break
    end
  end
  redis.call('EXPIRE', quarantine, math.max(7776000, windowS))
end

-- Redis can hold any number, and one beyond 64 bits, or no number, cannot be written as JSON again.
local function finite(value)
  local number = tonumber(value)
  return number and number > -math.huge and number < math.huge and number or nil
end

-- The recoveries in a decoded value (`includes/recovery.lua`). What is no recovery is left out: it must not stop a rescue.
local function recoveriesOf(value)
  local valid = {}
  for _, one in ipairs(type(value) == 'table' and value or {}) do
    local at, pool, seen, pass = unpack(type(one) == 'table' and one or {})
    at = finite(at)
    if at and type(pool) == 'string' and (type(seen) == 'string' or finite(seen)) then
      valid[#valid + 1] = { at, pool, seen, type(pass) == 'string' and pass or nil }
    end
  end
  return valid
end

-- The recoveries in a text; nil, false, or a text that cannot be read, holds none.
local function readRecoveries(text)
  local read, all = pcall(cjson.decode, text or '[]')
  return recoveriesOf(read and all)
end

-- The record of a job in quarantine, {ns}:reaper:quarantine (hash): job id → JSON
--
--   { at: unix s, recoveries: [[unix s, pool, heartbeat_at], …] including the last one, entries: [[type, entry, dead entry], …] }
--
-- There are several entries only if the job had several. They may hold secrets, so no script returns them. They are stored so that a
-- release requeues the same bytes.
local function readQuarantined(text)
  local read, record = pcall(cjson.decode, text or '')
  if not read or type(record) ~= 'table' or type(record.entries) ~= 'table' or type(record.recoveries) ~= 'table' then
    return nil
  end
  for _, entry in ipairs(record.entries) do
    for part = 1, 3 do
      if type(entry) ~= 'table' or type(entry[part]) ~= 'string' then
        return nil
      end
    end
  end
  record.at = finite(record.at) or 0
  record.recoveries = recoveriesOf(record.recoveries)
  return #record.entries > 0 and record or nil
end

-- Whether an entry of the record is still in `dead`. gocraft's own tools may have taken it.
local function isInDead(dead, record)
  for _, entry in ipairs(record.entries) do
    if redis.call('ZSCORE', dead, entry[3]) then
      return true
    end
  end
  return false
end

-- Whether all entries of the record are still in `dead`.
local function isAllInDead(dead, record)
  for _, entry in ipairs(record.entries) do
    local score = redis.pcall('ZSCORE', dead, entry[3])
    if not score or type(score) == 'table' then
      return false
    end
  end
  return true
end

-- What a caller may see of a record: [ id, digest of the record, since when (unix s), whether an entry is in `dead`, types of its
-- entries, recoveries (`includes/recovery.lua`), for each entry whether it is in `dead` ]. Returns nil if the text is no record.
local function describeQuarantined(dead, id, text)
  local record = readQuarantined(text)
  if not record then
    return nil
  end
  local types, areThere = {}, {}
  for n, entry in ipairs(record.entries) do
    types[n] = entry[1]
    areThere[n] = redis.call('ZSCORE', dead, entry[3]) and true or false
  end
  return { id, redis.sha1hex(text), record.at, isInDead(dead, record), types, record.recoveries, areThere }
end

-- Removes recoveries from a text of them (`includes/recovery.lua`). Returns nil if none is left.
local function withoutRecoveries(text, others)
  local known, rest = {}, {}
  for _, one in ipairs(others) do
    known[cjson.encode(one)] = true
  end
  for _, one in ipairs(readRecoveries(text)) do
    rest[#rest + 1] = not known[cjson.encode(one)] and one or nil
  end
  return #rest > 0 and cjson.encode(rest) or nil
end

-- One text of recoveries for two. Returns nil if there are none.
local function joinedRecoveries(older, newer)
  local all = {}
  for _, text in ipairs({ older or '[]', newer or '[]' }) do
    for _, one in ipairs(readRecoveries(text)) do
      all[#all + 1] = one
    end
  end
  return #all > 0 and cjson.encode(all) or nil
end

-- Records an entry that was moved to `dead`. Deletes old records without entries in `dead`: it checks a few random ones each time, so that
-- in the long run none is left. The hash expires, in case the namespace is used without a reaper later.
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
    -- Decodes only old records, because entries may be large. Within an entry each quote follows a backslash.
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

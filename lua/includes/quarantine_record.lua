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

-- Notes an entry that has gone to `dead`. Forgets some records that nobody needs any more: a few at random each time, so
-- that in the long run none is left. Nothing of it stays for ever, whoever uses the namespace after us.
local function keepQuarantined(quarantine, dead, id, record, entry)
  local known = readQuarantined(redis.call('HGET', quarantine, id))
  local entries = known and isInDead(dead, known) and known.entries or {}
  entries[#entries + 1] = entry
  record.entries = entries
  redis.call('HSET', quarantine, id, cjson.encode(record))
  for _, other in ipairs(redis.call('HRANDFIELD', quarantine, 10)) do
    local old = readQuarantined(redis.call('HGET', quarantine, other))
    if not old or (old.at < record.at - 2592000 and not isInDead(dead, old)) then
      redis.call('HDEL', quarantine, other)
    end
  end
  redis.call('EXPIRE', quarantine, 7776000)
end

--- @include prove
--- @include quarantine_record

-- What the scripts share that take entries of a job out of the quarantine: `release_quarantined`, `drop_quarantined` and
-- `forget_quarantined`.

-- What `refusalOf` has to prove before the record is read.
local function usesOfLeaving(quarantine, dead)
  return { { quarantine, 'hash', 'HGET', 'HDEL' }, { dead, 'zset', 'ZSCORE', 'ZREM' } }
end

-- Reads the record of a job, if it is still as the user saw it (`seen`: its digest); else returns nil. Comes before the first write.
--
-- only: a type whose entries are meant, while the others stay in quarantine; '' for all
--
-- Returns { text, record (`includes/quarantine_record.lua`), meant: { index, original bytes, member of `dead`, its score there or
-- nil; of equal entries, which are one member, the first has it }, others: entries that are not meant, isThere: whether an entry that is meant is in `dead`, forgets: whether the recoveries can be
-- forgotten (a key of another type must not keep the entries in quarantine) }.
local function readLeaving(quarantine, dead, recoveries, id, seen, only)
  local text = redis.call('HGET', quarantine, id)
  local record = readQuarantined(text)
  if not record or redis.sha1hex(text) ~= seen then
    return nil
  end
  local leaving = { text = text, record = record, meant = {}, others = {}, isThere = false }
  local known = {}
  for i, entry in ipairs(record.entries) do
    local jobType, original, member = unpack(entry)
    if only == '' or jobType == only then
      local score = not known[member] and redis.call('ZSCORE', dead, member) or nil
      known[member] = true
      leaving.meant[#leaving.meant + 1] = { index = i, original = original, member = member, score = score }
      leaving.isThere = leaving.isThere or score ~= nil
    else
      leaving.others[#leaving.others + 1] = entry
    end
  end
  leaving.forgets = not refusalOf({ { recoveries, 'hash', 'HGET', 'HSET', 'HDEL' } })
  return leaving
end

-- Removes the entries that are meant from `dead` and from the record, and the recoveries that led to the quarantine: they do not count
-- any more. Returns how many entries were in `dead`, and the digest of the record that is left (nil for none).
local function leaveQuarantine(quarantine, dead, recoveries, id, leaving)
  local count = 0
  for _, one in ipairs(leaving.meant) do
    if one.score then
      redis.call('ZREM', dead, one.member)
      count = count + 1
    end
  end
  local record = leaving.record
  local rest = #leaving.others > 0
      and cjson.encode({ at = record.at, recoveries = record.recoveries, entries = leaving.others })
    or nil
  if rest then
    redis.call('HSET', quarantine, id, rest)
  else
    redis.call('HDEL', quarantine, id)
  end
  if leaving.forgets then
    -- After a release or a drop no recovery counts; else only those since the entry was taken out of `dead`.
    local newer = not leaving.isThere and withoutRecoveries(redis.call('HGET', recoveries, id), record.recoveries)
    if newer then
      redis.call('HSET', recoveries, id, newer)
    else
      redis.call('HDEL', recoveries, id)
    end
  end
  return count, rest and redis.sha1hex(rest) or nil
end

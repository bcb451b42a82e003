-- Stores an acknowledgement. It never goes backwards: not to an older revision, within one revision not to a lower rank,
-- within one rank not to an earlier check-in (defect 30).
--
-- `unreadable` is the stored acknowledgement, byte for byte, where the caller cannot decode it: it counts as none. cjson reads
-- more than JSON allows (0x10, +5, a raw newline). Without this rule a sweep would refire the hook again and again, and this
-- script would refuse each acknowledgement.
--
-- All that it needs is proven (`usesOfAck`), and the outcome is known, before anything is written.
--
-- `text` and `current` are the values of `ack` and `revision` in the stats, which exist (defect 28).
--
-- Returns `done` or `refused` (the stored one is newer).
local function acknowledge(stats, track, id, text, current, status, revisionText, checkInText, unreadable)
  local revision, checkInAt = tonumber(revisionText), tonumber(checkInText)
  local stored = text ~= unreadable and readAck(text) or nil
  if stored then
    local backwards = stored.revision > revision
    if stored.revision == revision then
      local is, was = rank(status), rank(stored.status)
      backwards = was > is or (was == is and stored.check_in_at > checkInAt)
    end
    if backwards then
      return 'refused'
    end
  elseif (tonumber(current or '') or 0) > revision then
    return 'refused'
  end
  local isNew = not stored or stored.status ~= status or stored.revision ~= revision or stored.check_in_at ~= checkInAt
  local ack = string.format('{"status":%s,"revision":%s,"check_in_at":%s}', cjson.encode(status), revisionText, checkInText)
  redis.call('HSET', stats, 'ack', ack)
  -- The same acknowledgement again has been counted down before (defect 27).
  if rank(status) == 3 and isNew then
    countDown(track, id)
  end
  return 'done'
end

-- What `refusalOf` has to prove before `acknowledge` may be called.
local function usesOfAck(stats, track, status)
  local ofTrack = rank(status) == 3 and { track, 'hash', 'HGET', 'HSET', 'HDEL' } or nil
  return { stats, 'hash', 'HMGET', 'HSET' }, ofTrack
end

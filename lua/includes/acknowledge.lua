-- Records that the hook's receiver has confirmed a state. Never backwards: not to an older revision, within one
-- revision not to a lower rank, within one rank not to an earlier check-in (defect 30). `unreadable` is the stored
-- acknowledgement to the letter where the caller can't read it: it counts as none. cjson reads more than JSON is (0x10,
-- +5, a raw newline), and what only one of the two can read would be refired by the one and refused by the other for ever.
--
-- The answer is known, and all that it takes is proven (`usesOfAck`), before anything is written.
--
-- Returns  `ok`; `none` (refused: what is stored is newer); `missing` (no stats: nothing is written, defect 28)
local function acknowledge(stats, track, id, status, revisionText, checkInText, unreadable)
  local revision, checkInAt = tonumber(revisionText), tonumber(checkInText)
  if redis.call('EXISTS', stats) == 0 then
    return 'missing'
  end
  local text = redis.call('HGET', stats, 'ack')
  local stored = text ~= unreadable and readAck(text) or nil
  if stored then
    local backwards = stored.revision > revision
    if stored.revision == revision then
      local is, was = rank(status), rank(stored.status)
      backwards = was > is or (was == is and stored.check_in_at > checkInAt)
    end
    if backwards then
      return 'none'
    end
  elseif (tonumber(redis.call('HGET', stats, 'revision') or '') or 0) > revision then
    return 'none'
  end
  local isNew = not stored or stored.status ~= status or stored.revision ~= revision or stored.check_in_at ~= checkInAt
  local ack = string.format('{"status":%s,"revision":%s,"check_in_at":%s}', cjson.encode(status), revisionText, checkInText)
  redis.call('HSET', stats, 'ack', ack)
  -- What was confirmed before, to the letter, has been counted down before (defect 27).
  if rank(status) == 3 and isNew then
    countDown(track, id)
  end
  return 'ok'
end

-- What that needs, to be proven beforehand.
local function usesOfAck(stats, track, status)
  if rank(status) == 3 then
    return { stats, 'hash', 'EXISTS', 'HGET', 'HSET' }, { track, 'hash', 'HGET', 'HSET', 'HDEL' }
  end
  return { stats, 'hash', 'EXISTS', 'HGET', 'HSET' }
end

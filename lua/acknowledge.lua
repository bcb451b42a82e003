-- Records that the hook's receiver has confirmed a state. Never backwards: not to an older revision, within one
-- revision not to a lower rank, within one rank not to an earlier check-in (defect 30).
--
-- KEYS[1]  stats
-- KEYS[2]  tracking hash
-- ARGV[1]  status
-- ARGV[2]  revision
-- ARGV[3]  check_in_at (0 for none)
-- ARGV[4]  job id
-- ARGV[5]  the stored acknowledgement to the letter, where the caller can't read it (left out otherwise): it counts as
--          none. cjson reads more than JSON is (0x10, +5, a raw newline), and what only one of the two can read would
--          be refired by the one and refused by the other for ever.
-- Returns  `ok`; `none` (refused: what is stored is newer); `missing` (no stats: nothing is written, defect 28)
-- Others that touch these keys: the Go jobservice's ACK, set status and reset.
--- @include rank
--- @include count_down
--- @include ack

local stats, track = KEYS[1], KEYS[2]
local status, revision, checkInAt, id = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4]

if redis.call('EXISTS', stats) == 0 then
  return 'missing'
end
local text = redis.call('HGET', stats, 'ack')
local stored = text ~= ARGV[5] and readAck(text) or nil
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
redis.call('HSET', stats, 'ack',
  string.format('{"status":%s,"revision":%s,"check_in_at":%s}', cjson.encode(status), ARGV[2], ARGV[3]))
-- What was confirmed before, to the letter, has been counted down before (defect 27).
if rank(status) == 3 and isNew then
  countDown(track, id)
end
return 'ok'

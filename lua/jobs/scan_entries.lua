-- Scans whose entries stand in a sorted set. No entry leaves Redis: only the ids of their jobs do. What is read is bounded,
-- however large the entries are, but for those that one ZSCAN gives.
--
-- KEYS[1]  scheduled, retry or dead
-- ARGV[1]  cursor of ZSCAN
-- ARGV[2]  how many entries may be read
-- ARGV[3]  bytes of entries after which no further one is read
-- Returns  { next cursor, for each entry the id of its job, or the empty string for none, their scores }
-- Others that touch these keys: the Go jobservice and gocraft, and every script here that moves entries. Writes nothing.
--- @include prove
--- @include entry_id
--- @include stride

local key, cursor, most, bytes = KEYS[1], ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local refusal = refusalOf({ { key, 'zset', 'ZSCAN' } })
if refusal then
  return refusal
end
local ids, scores, size, stride = {}, {}, 0, 1
repeat
  local next, pairs = unpack(redis.call('ZSCAN', key, cursor, 'COUNT', stride))
  cursor = next
  for i = 1, #pairs, 2 do
    size = size + #pairs[i]
    ids[#ids + 1] = idOf(pairs[i]) or ''
    scores[#scores + 1] = pairs[i + 1]
  end
  stride = nextStride(stride, pairs, bytes)
until cursor == '0' or #ids >= most or size >= bytes
return { cursor, ids, scores }

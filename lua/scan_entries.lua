-- Scans the entries of a sorted set, each as short as a search needs it. What is answered is bounded, however large the
-- entries are, but for those that one ZSCAN gives.
--
-- KEYS[1]  scheduled, retry or dead
-- ARGV[1]  cursor of ZSCAN
-- ARGV[2]  how many entries may be read
-- ARGV[3]  bytes after which no further entry is read
-- Returns  { next cursor, the entries, their scores }
-- Others that touch these keys: the Go jobservice and gocraft, and every script here that moves entries. Writes nothing.
--- @include prove
--- @include short_entry

local key, cursor, most, bytes = KEYS[1], ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local refusal = refusalOf({ { key, 'zset', 'ZCARD', 'ZRANGE', 'ZSCAN' } })
if refusal then
  return refusal
end
local entries, scores, size = {}, {}, 0
local samples = { 0, math.floor(redis.call('ZCARD', key) / 2), -1 }
for i, index in ipairs(samples) do
  samples[i] = redis.call('ZRANGE', key, index, index)[1] or ''
end
local count = countFor(samples, bytes, most)
repeat
  local next, pairs = unpack(redis.call('ZSCAN', key, cursor, 'COUNT', count))
  cursor = next
  for i = 1, #pairs, 2 do
    local short = shortOf(pairs[i])
    size = size + #short
    entries[#entries + 1] = short
    scores[#scores + 1] = pairs[i + 1]
  end
until cursor == '0' or #entries >= most or size >= bytes
return { cursor, entries, scores }

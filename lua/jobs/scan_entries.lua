-- Scans the job ids of the entries of a sorted set. Entries themselves never leave Redis. The number of entries and of bytes
-- that it reads is bounded, except by what one ZSCAN returns.
--
-- KEYS[1]  {ns}:scheduled, {ns}:retry or {ns}:dead (zset)
-- ARGV[1]  cursor of ZSCAN
-- ARGV[2]  how many entries to read
-- ARGV[3]  bytes of entries after which it stops
-- Reply    { 'read', next cursor, { job id of each entry, '' for none }, { score of each entry }, processor time in µs }. The time is
--          missing where the user may not run INFO.
-- Also written by: the Go jobservice, gocraft, and every script that moves entries. This one writes nothing.
--- @include processor_time
--- @include prove
--- @include entry_id
--- @include stride

local key, cursor, max, bytes = KEYS[1], ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local refused = refusalOf({ { key, 'zset', 'ZSCAN' } })
if refused then
  return refused
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
until cursor == '0' or #ids >= max or size >= bytes
return { 'read', cursor, ids, scores, timeTaken() }

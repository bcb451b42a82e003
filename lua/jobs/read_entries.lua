-- Reads the job ids of the entries of a list, from its head on. Entries themselves never leave Redis. The number of entries and
-- of bytes that it reads is bounded, however large the entries are.
--
-- KEYS[1]  {ns}:jobs:<type> or {ns}:jobs:<type>:<pool>:inprogress (list)
-- ARGV[1]  index of the first entry
-- ARGV[2]  how many entries to read
-- ARGV[3]  bytes of entries after which it stops
-- Reply    { 'read', 1 where the list ends here, else 0, { job id of each entry, '' for none }, processor time in µs }. The time is missing
--          where the user may not run INFO.
-- Also written by: the Go jobservice, gocraft, and every script that moves entries. This one writes nothing.
--- @include processor_time
--- @include prove
--- @include entry_id
--- @include stride

local key, from, max, bytes = KEYS[1], tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local refused = refusalOf({ { key, 'list', 'LLEN', 'LRANGE' } })
if refused then
  return refused
end
local ids, size, stride = {}, 0, FIRST_STRIDE
local length = redis.call('LLEN', key)
while #ids < max and size < bytes and from + #ids < length do
  local first = from + #ids
  local entries = redis.call('LRANGE', key, first, first + math.min(stride, max - #ids) - 1)
  for _, entry in ipairs(entries) do
    size = size + #entry
    ids[#ids + 1] = idOf(entry) or ''
  end
  stride = nextStride(stride, entries, bytes)
end
return { 'read', from + #ids >= length and 1 or 0, ids, timeTaken() }

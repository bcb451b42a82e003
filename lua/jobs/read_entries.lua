-- Reads whose entries stand in a list, from its head on. No entry leaves Redis: only the ids of their jobs do. What is read is
-- bounded, however large the entries are.
--
-- KEYS[1]  queue or in-progress list
-- ARGV[1]  how many entries come before the first one
-- ARGV[2]  how many entries may be read
-- ARGV[3]  bytes of entries after which no further one is read
-- Returns  { 1 where the list ends here, else 0, for each entry the id of its job, or the empty string for none }
-- Others that touch these keys: the Go jobservice and gocraft, and every script here that moves entries. Writes nothing.
--- @include prove
--- @include entry_id
--- @include stride

local key, from, most, bytes = KEYS[1], tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local refusal = refusalOf({ { key, 'list', 'LLEN', 'LRANGE' } })
if refusal then
  return refusal
end
local ids, size, stride = {}, 0, FIRST_STRIDE
local length = redis.call('LLEN', key)
while #ids < most and size < bytes and from + #ids < length do
  local first = from + #ids
  local entries = redis.call('LRANGE', key, first, first + math.min(stride, most - #ids) - 1)
  for _, entry in ipairs(entries) do
    size = size + #entry
    ids[#ids + 1] = idOf(entry) or ''
  end
  stride = nextStride(stride, entries, bytes)
end
return { from + #ids >= length and 1 or 0, ids }

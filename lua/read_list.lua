-- Reads entries of a list from its head on, each as short as a search needs it. What is answered is bounded, however large
-- the entries are.
--
-- KEYS[1]  queue or in-progress list
-- ARGV[1]  how many entries come before the first one
-- ARGV[2]  how many entries may be read
-- ARGV[3]  bytes after which no further entry is read
-- Returns  { 1 where the list ends here, else 0, the entries }
-- Others that touch these keys: the Go jobservice and gocraft, and every script here that moves entries. Writes nothing.
--- @include prove
--- @include short_entry

local key, from, most, bytes = KEYS[1], tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local refusal = refusalOf({ { key, 'list', 'LLEN', 'LINDEX', 'LRANGE' } })
if refusal then
  return refusal
end
local entries, size = {}, 0
local length = redis.call('LLEN', key)
local last = math.min(length, from + most) - 1
local samples = { from, math.floor((from + last) / 2), last }
for i, index in ipairs(samples) do
  samples[i] = redis.call('LINDEX', key, index)
end
local count = countFor(samples, bytes, most)
while #entries < most and size < bytes and from + #entries < length do
  local first = from + #entries
  local some = redis.call('LRANGE', key, first, first + math.min(count, most - #entries) - 1)
  for _, entry in ipairs(some) do
    if size >= bytes then
      break
    end
    local short = shortOf(entry)
    size = size + #short
    entries[#entries + 1] = short
  end
end
return { from + #entries >= length and 1 or 0, entries }

-- Reads what stands in an in-progress list, from its tail on, where the oldest entries are. No entry leaves Redis: it is known by
-- the SHA-1 of its bytes. What is read is bounded, however large the entries are.
--
-- KEYS[1]  in-progress list
-- ARGV[1]  how many entries come behind the first one that is read
-- ARGV[2]  how many entries may be read
-- ARGV[3]  bytes of entries after which no further one is read
-- Returns  { 1 where the list ends here, else 0, for each entry { SHA-1, id of its job, or the empty string for none, in hex where
--          it has bytes that are no ASCII: they may be no UTF-8, which no reply of text could carry, 1 for such an id, else 0 } }
-- Others that touch these keys: the Go jobservice and gocraft, and every script here that moves entries. Writes nothing.
--- @include prove
--- @include entry_id
--- @include stride
--- @include hex

local key, from, most, bytes = KEYS[1], tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local refusal = refusalOf({ { key, 'list', 'LLEN', 'LRANGE' } })
if refusal then
  return refusal
end
local found, size, stride = {}, 0, FIRST_STRIDE
local length = redis.call('LLEN', key)
while #found < most and size < bytes and from + #found < length do
  local last = from + #found + 1
  local entries = redis.call('LRANGE', key, -(last + math.min(stride, most - #found) - 1), -last)
  for i = #entries, 1, -1 do
    local entry = entries[i]
    local id = idOf(entry) or ''
    local isHex = find(id, '[\128-\255]') ~= nil
    size = size + #entry
    found[#found + 1] = { redis.sha1hex(entry), isHex and hex(id) or id, isHex and 1 or 0 }
  end
  stride = nextStride(stride, entries, bytes)
end
return { from + #found >= length and 1 or 0, found }

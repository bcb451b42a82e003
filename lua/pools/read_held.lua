-- Reads entries of an in-progress list, from its end on, where the oldest entries are. Entries stay in Redis: each is identified by the SHA-1 of
-- its bytes. The amount that is read is bounded, however large the entries are. Writes nothing.
--
-- KEYS[1]  {ns}:jobs:<type>:<pool>:inprogress (list)
-- ARGV[1]  how many entries to skip
-- ARGV[2]  how many entries to read
-- ARGV[3]  after how many bytes of entries to stop
-- Reply    { 'read', 1 if these are the last entries, else 0, { for each entry: { SHA-1, id of its job ('' for none), 1 if the id is in
--            hex because it has bytes that are not ASCII and could be no UTF-8, else 0 } } }
-- Also written by: the Go jobservice, gocraft, and every script that moves entries.
--- @include prove
--- @include entry_id
--- @include stride
--- @include hex

local key, from, max, bytes = KEYS[1], tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local refusal = refusalOf({ { key, 'list', 'LLEN', 'LRANGE' } })
if refusal then
  return refusal
end
local found, size, stride = {}, 0, FIRST_STRIDE
local length = redis.call('LLEN', key)
while #found < max and size < bytes and from + #found < length do
  local last = from + #found + 1
  local entries = redis.call('LRANGE', key, -(last + math.min(stride, max - #found) - 1), -last)
  for i = #entries, 1, -1 do
    local entry = entries[i]
    local id = idOf(entry) or ''
    local isHex = find(id, '[\128-\255]') ~= nil
    size = size + #entry
    found[#found + 1] = { redis.sha1hex(entry), isHex and hex(id) or id, isHex and 1 or 0 }
  end
  stride = nextStride(stride, entries, bytes)
end
return { 'read', from + #found >= length and 1 or 0, found }

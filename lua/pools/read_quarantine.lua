-- Reads some records of the quarantine, without their entries, which may hold secrets. Writes nothing.
--
-- KEYS[1]  {ns}:reaper:quarantine (hash)
-- KEYS[2]  {ns}:dead (zset)
-- ARGV[1]  cursor of HSCAN
-- ARGV[2]  how many records to read; fewer if they are large
-- Reply    { 'read', JSON of [ next cursor, then each record (`describeQuarantined` in `includes/quarantine_record.lua`) ] }
-- Also written by: quarantine_entry, quarantine_orphan, release_quarantined, drop_quarantined, forget_quarantined; gocraft (`dead`).
--- @include prove
--- @include quarantine_record
--- @include stride

local quarantine, dead = KEYS[1], KEYS[2]
local refusal = refusalOf({ { quarantine, 'hash' }, { dead, 'zset' } })
if refusal then
  return refusal
end
local page, size, stride = { ARGV[1] }, 0, 1
repeat
  local cursor, found = unpack(redis.call('HSCAN', quarantine, page[1], 'COUNT', stride))
  page[1] = cursor
  for i = 1, #found, 2 do
    size = size + #found[i + 1]
    page[#page + 1] = describeQuarantined(dead, found[i], found[i + 1])
  end
  stride = nextStride(stride, found, 1000000)
until cursor == '0' or #page > tonumber(ARGV[2]) or size > 1000000
return { 'read', cjson.encode(page) }

-- Reads records of the quarantine, without their entries, which may hold secrets. Writes nothing.
--
-- KEYS[1]  {ns}:reaper:quarantine (hash)
-- KEYS[2]  {ns}:dead (zset)
-- ARGV[1]  cursor of HSCAN; '' to read the record of one job
-- ARGV[2]  how many records to read, fewer if they are large; or the id of that job
-- Reply    { 'read', JSON of [ next cursor, then for each record [ id, digest of the record, since when (unix s), whether an entry is in
--            `dead`, types of its entries, recoveries (`includes/recovery.lua`), for each entry whether it is in `dead` ] ] }
-- Also written by: quarantine_entry, quarantine_orphan, release_quarantined; gocraft (`dead`).
--- @include prove
--- @include quarantine_record
--- @include stride

local quarantine, dead = KEYS[1], KEYS[2]
local refusal = refusalOf({ { quarantine, 'hash' }, { dead, 'zset' } })
if refusal then
  return refusal
end
local page, size = { '0' }, 0
local function read(found)
  for i = 1, #found, 2 do
    local id, text = found[i], found[i + 1]
    local record = readQuarantined(text)
    size = size + #text
    if record then
      local types, areThere = {}, {}
      for n, entry in ipairs(record.entries) do
        types[n] = entry[1]
        areThere[n] = redis.call('ZSCORE', dead, entry[3]) and true or false
      end
      page[#page + 1] =
        { id, redis.sha1hex(text), record.at, isInDead(dead, record), types, record.recoveries, areThere }
    end
  end
end

if ARGV[1] == '' then
  local text = redis.call('HGET', quarantine, ARGV[2])
  read(text and { ARGV[2], text } or {})
else
  local stride = 1
  page[1] = ARGV[1]
  repeat
    local cursor, found = unpack(redis.call('HSCAN', quarantine, page[1], 'COUNT', stride))
    page[1] = cursor
    read(found)
    stride = nextStride(stride, found, 1000000)
  until cursor == '0' or #page > tonumber(ARGV[2]) or size > 1000000
end
return { 'read', cjson.encode(page) }

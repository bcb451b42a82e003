-- Reads the record of one job in quarantine, without its entries, which may hold secrets. Writes nothing.
--
-- KEYS[1]  {ns}:reaper:quarantine (hash)
-- KEYS[2]  {ns}:dead (zset)
-- ARGV[1]  job id
-- Reply    { 'found', JSON of the record (`describeQuarantined` in `includes/quarantine_record.lua`) }
--          { 'not-found' }
-- Also written by: quarantine_entry, quarantine_orphan, release_quarantined, drop_quarantined, forget_quarantined; gocraft (`dead`).
--- @include prove
--- @include quarantine_record

local quarantine, dead, id = KEYS[1], KEYS[2], ARGV[1]
local refusal = refusalOf({ { quarantine, 'hash' }, { dead, 'zset' } })
if refusal then
  return refusal
end
local text = redis.call('HGET', quarantine, id)
local record = text and describeQuarantined(dead, id, text)
return record and { 'found', cjson.encode(record) } or { 'not-found' }

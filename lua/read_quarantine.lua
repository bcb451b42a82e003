-- Reads records of the quarantine, without the entries: they hold what only the job's worker should see.
--
-- KEYS[1]  records of the quarantine
-- KEYS[2]  gocraft's dead entries
-- ARGV[1]  cursor of HSCAN, or the empty string for one job
-- ARGV[2]  how many to look at, or the id of that job
-- Returns  JSON: [ next cursor, then for each record: [ id, digest of the record, unix s, whether it is in `dead`, types of
--          its entries, recoveries as in `includes/recovery.lua`, for each entry whether it is in `dead` ] ]
-- Others that touch these keys: quarantine, leave_quarantine; of `dead` gocraft. Writes nothing.
--- @include prove
--- @include quarantine_record

local quarantine, dead = KEYS[1], KEYS[2]
local refusal = refusalOf({ { quarantine, 'hash' }, { dead, 'zset' } })
if refusal then
  return refusal
end
local cursor, found = '0', nil
if ARGV[1] == '' then
  local text = redis.call('HGET', quarantine, ARGV[2])
  found = text and { ARGV[2], text } or {}
else
  cursor, found = unpack(redis.call('HSCAN', quarantine, ARGV[1], 'COUNT', ARGV[2]))
end
local answer = { cursor }
for i = 1, #found, 2 do
  local id, text = found[i], found[i + 1]
  local record = readQuarantined(text)
  if record then
    local types, areThere = {}, {}
    for n, entry in ipairs(record.entries) do
      types[n] = entry[1]
      areThere[n] = redis.call('ZSCORE', dead, entry[3]) and true or false
    end
    answer[#answer + 1] = { id, redis.sha1hex(text), record.at, isInDead(dead, record), types, record.recoveries, areThere }
  end
end
return cjson.encode(answer)

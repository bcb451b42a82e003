-- Reads records of the quarantine, without the entries: they hold what only the job's worker should see.
--
-- KEYS[1]  records of the quarantine
-- KEYS[2]  gocraft's dead entries
-- ARGV[1]  cursor of HSCAN, or the empty string for one job
-- ARGV[2]  how many to look at, or the id of that job; fewer where they are large
-- Returns  JSON: [ next cursor, then for each record: [ id, digest of the record, unix s, whether it is in `dead`, types of
--          its entries, recoveries as in `includes/recovery.lua`, for each entry whether it is in `dead` ] ]
-- Others that touch these keys: quarantine, release_quarantined; of `dead` gocraft. Writes nothing.
--- @include prove
--- @include quarantine_record
--- @include stride

local quarantine, dead = KEYS[1], KEYS[2]
local refusal = refusalOf({ { quarantine, 'hash' }, { dead, 'zset' } })
if refusal then
  return refusal
end
local answer, size = { '0' }, 0
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
      answer[#answer + 1] =
        { id, redis.sha1hex(text), record.at, isInDead(dead, record), types, record.recoveries, areThere }
    end
  end
end

if ARGV[1] == '' then
  local text = redis.call('HGET', quarantine, ARGV[2])
  read(text and { ARGV[2], text } or {})
else
  local stride = 1
  answer[1] = ARGV[1]
  repeat
    local cursor, found = unpack(redis.call('HSCAN', quarantine, answer[1], 'COUNT', stride))
    answer[1] = cursor
    read(found)
    stride = nextStride(stride, found, 1000000)
  until cursor == '0' or #answer > tonumber(ARGV[2]) or size > 1000000
end
return cjson.encode(answer)

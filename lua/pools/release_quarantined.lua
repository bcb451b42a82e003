-- Ends the quarantine of a job as a person asks for, if it is still as the person saw it. What gocraft's own tools have
-- taken out of `dead` meanwhile is theirs: it is never put back a second time.
--
-- KEYS[1]  records of the quarantine
-- KEYS[2]  gocraft's dead entries
-- KEYS[3]  recoveries of jobs
-- KEYS[4…] queue of each of its entries, in the order of their types
-- ARGV[1]  job id
-- ARGV[2]  digest of the record that was seen
-- ARGV[3]  `release` (what was there goes to its queue to the letter), `drop` (it is removed from `dead`), or `prune` (only the record of what is in `dead` no more is removed). Recoveries
--          that led to the quarantine are forgotten in any case
-- ARGV[4]  a type: only its entries are meant, the others stay in quarantine; the empty string for all
-- ARGV[5]  `act`, or `plan` to change nothing
-- Returns  `ok`; `gone` (nothing that is meant of it is in `dead`; the record is removed); `overtaken` (the record is not as it was seen)
-- Others that touch these keys: quarantine and requeue; gocraft's enqueue, fetch, and retry and delete of dead entries.
-- LPUSH comes first: under memory pressure Redis refuses it, and then nothing at all has been written.
--- @include once
--- @include quarantine_record

local quarantine, dead, recoveries = unpack(KEYS)
local isPlan = ARGV[5] == 'plan'
local uses = { { quarantine, 'hash', 'HGET', 'HDEL' }, { dead, 'zset', 'ZSCORE', 'ZREM' } }
local refusal = refusalOf(isPlan and typesOf(uses) or uses)
if refusal then
  return refusal
end
local id, seen, verb, only = unpack(ARGV)
local text = redis.call('HGET', quarantine, id)
local record = readQuarantined(text)
if not record or redis.sha1hex(text) ~= seen then
  return 'overtaken'
end
local meant, others = {}, {}
for i, entry in ipairs(record.entries) do
  local isMeant = not only or only == '' or entry[1] == only
  meant[#meant + 1] = isMeant and { i, entry } or nil
  others[#others + 1] = not isMeant and entry or nil
end
local isThere = false
for _, one in ipairs(meant) do
  isThere = isThere or redis.call('ZSCORE', dead, one[2][3]) and true
end
if verb == 'prune' and isThere then
  return 'overtaken'
end
local forgets = not refusalOf({ { recoveries, 'hash', 'HGET', 'HSET', 'HDEL' } })
local writes = {}
for n = 1, verb == 'release' and #meant or 0 do
  writes[n] = { KEYS[3 + meant[n][1]], 'list', 'LPUSH' }
end
if #others > 0 then
  writes[#writes + 1] = { quarantine, 'hash', 'HSET' }
end
refusal = refusalOf(isPlan and typesOf(writes) or writes)
if refusal then
  return refusal
end
if isPlan then
  return isThere and 'ok' or 'gone'
end
for _, one in ipairs(meant) do
  local i, entry = unpack(one)
  local _, original, member = unpack(entry)
  if redis.call('ZSCORE', dead, member) then
    if verb == 'release' then
      redis.call('LPUSH', KEYS[3 + i], original)
    end
    redis.call('ZREM', dead, member)
  end
end
if #others > 0 then
  redis.call('HSET', quarantine, id, cjson.encode({ at = record.at, recoveries = record.recoveries, entries = others }))
else
  redis.call('HDEL', quarantine, id)
end
if forgets then
  -- After a release or a drop nothing counts; else what came since somebody else took the entry.
  local rest = not isThere and withoutRecoveries(redis.call('HGET', recoveries, id), record.recoveries)
  if rest then
    redis.call('HSET', recoveries, id, rest)
  else
    redis.call('HDEL', recoveries, id)
  end
end
return answerOnce(isThere and 'ok' or 'gone')

-- Records since when entries of one live pool are unobserved, and with which job each of its workers was last observed. What that proves
-- is described in `includes/orphan.lua`.
--
-- KEYS[1]  {ns}:reaper:workers:<pool> (hash)
-- KEYS[2]  {ns}:reaper:unobserved:<pool> (hash)
-- KEYS[3…] {ns}:worker:<worker> (hash) of each worker; then {ns}:job_stats:<id> (hash) of each entry's job; then
--          {ns}:reaper:quarantine:before:<id> (string) of each entry's job
-- ARGV[1]  '', or a time in ms that replaces the clock of Redis
-- ARGV[2]  how long the records are kept (s)
-- ARGV[3]  records that replace those of KEYS[1] and KEYS[2]: JSON of an earlier reply, which a plan has not written; '' for none
-- ARGV[4]  how many workers there are
-- ARGV[5…] ids of the workers; then the field of each entry in KEYS[2]
-- Reply    { 'observed', JSON of { at (ms), workers: { field: text }, unobserved: { field: text } } }: the records as they are now
--            As a plan (`includes/plan.lua`): as they would be
-- Also written by: requeue_orphan; worker hosts (observations, stats).
-- HSET is the first write, because Redis refuses it under memory pressure, and then nothing has been written.
--- @include plan
--- @include prove
--- @include orphan

local workersKey, unobservedKey = KEYS[1], KEYS[2]
local override, keep, replaced, count = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])
if not isPlan then
  local refusal = refusalOf({
    { workersKey, 'hash', 'HGETALL', 'HSET', 'HDEL', 'EXPIRE' },
    { unobservedKey, 'hash', 'HMGET', 'HSET', 'DEL', 'EXPIRE' },
  })
  if refusal then
    return refusal
  end
end

local at = observationTime(override)
local remembered = replaced ~= '' and cjson.decode(replaced) or {}
local known = remembered.workers or hashOf(redis.call('HGETALL', workersKey))
local unobserved = remembered.unobserved
if not unobserved then
  -- Only the given fields, because the pool may hold many other entries.
  local fields = { unpack(ARGV, 5 + count) }
  local texts = #fields > 0 and redis.call('HMGET', unobservedKey, unpack(fields)) or {}
  unobserved = {}
  for i, field in ipairs(fields) do
    unobserved[field] = texts[i] or nil
  end
end
local isKnown = isValid(known, at)
local before = isKnown and tonumber(known.at) or nil

local workers = { at = string.format('%d', at), run = runId() }
for i = 1, count do
  local field = 'w:' .. ARGV[4 + i]
  local worker = observeWorker(readObservation(KEYS[2 + i]), isKnown and readWorker(known[field]) or nil, before)
  workers[field] = worker and workerText(worker) or nil
end

local now = {}
local entries = #ARGV - 4 - count
for i = count + 1, count + entries do
  local field = ARGV[4 + i]
  local since, signs = sinceOf(isKnown and unobserved[field] or nil)
  local stand = signsOf(KEYS[2 + i], KEYS[2 + entries + i])
  now[field] = string.format('%d %s', since and since <= at and signs == stand and since or at, stand)
end

if not isPlan then
  for field, text in pairs(workers) do
    redis.call('HSET', workersKey, field, text)
  end
  for field in pairs(known) do
    if not workers[field] then
      redis.call('HDEL', workersKey, field)
    end
  end
  if not isKnown then
    redis.call('DEL', unobservedKey)
  end
  for field, text in pairs(now) do
    redis.call('HSET', unobservedKey, field, text)
  end
  redis.call('EXPIRE', workersKey, keep)
  redis.call('EXPIRE', unobservedKey, keep)
end
return { 'observed', cjson.encode({ at = at, workers = workers, unobserved = now }) }

-- One look at a live pool that holds entries which no worker of it observes: keeps since when each of them is unobserved, and
-- what each worker said last. `includes/orphan.lua` says what that proves.
--
-- KEYS[1]  record of the pool's workers
-- KEYS[2]  record of its unobserved entries
-- KEYS[3…] observations of the workers, then stats of the entries' jobs, then their signs of life before a quarantine
-- ARGV[1]  `act`, or `plan` to change nothing
-- ARGV[2]  the empty string, or a time (ms) that stands for the clock of Redis
-- ARGV[3]  for how long the records are kept (s)
-- ARGV[4]  JSON of what the plan before has returned, or the empty string: in a plan it stands for the records
-- ARGV[5]  how many workers there are
-- ARGV[6…] ids of the workers, then the entries' fields in KEYS[2]
-- Returns  JSON: { at, workers: { field: text }, unobserved: { field: text } }, as the records are now (a plan: would be)
-- Others that touch these keys: requeue_orphan, finish_entry, quarantine; worker hosts (observations, stats).
-- HSET comes first: under memory pressure Redis refuses it, and then nothing at all has been written.
--- @include prove
--- @include orphan

local workersKey, unobservedKey = KEYS[1], KEYS[2]
local mode, override, keep, memory, count = ARGV[1], ARGV[2], ARGV[3], ARGV[4], tonumber(ARGV[5])
if mode == 'act' then
  local refusal = refusalOf({
    { workersKey, 'hash', 'HGETALL', 'HSET', 'HDEL', 'EXPIRE' },
    { unobservedKey, 'hash', 'HMGET', 'HSET', 'DEL', 'EXPIRE' },
  })
  if refusal then
    return refusal
  end
end

local at = lookTime(override)
local remembered = memory ~= '' and cjson.decode(memory) or {}
local known = remembered.workers or hashOf(redis.call('HGETALL', workersKey))
local unobserved = remembered.unobserved
if not unobserved then
  -- No more than what is looked at: the pool may hold many others.
  local fields = { unpack(ARGV, 6 + count) }
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
  local field = 'w:' .. ARGV[5 + i]
  local worker = lookAtWorker(readObservation(KEYS[2 + i]), isKnown and readWorker(known[field]) or nil, before)
  workers[field] = worker and workerText(worker) or nil
end

local now = {}
local entries = #ARGV - 5 - count
for i = count + 1, count + entries do
  local field = ARGV[5 + i]
  local since, signs = sinceOf(isKnown and unobserved[field] or nil)
  local stand = signsOf(KEYS[2 + i], KEYS[2 + entries + i])
  now[field] = string.format('%d %s', since and since <= at and signs == stand and since or at, stand)
end

if mode == 'act' then
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
return cjson.encode({ at = at, workers = workers, unobserved = now })

-- Enqueues the hooks of many jobs, in one round trip for a page of a sweep. An endpoint with a queue that cannot be written does not
-- affect the others.
--
-- KEYS[1]  {ns}:reaper:hooks (hash)
-- KEYS[2]  {ns}:reaper:hooks:parked (zset)
-- KEYS[3]  {ns}:reaper:hooks:origins (set)
-- KEYS[4…] {ns}:reaper:hooks:due:<endpoint> (zset): of each endpoint; then {ns}:job_stats:<id> (hash): of each job, or of none
-- ARGV[1]  '', or a time in ms that replaces the clock of Redis
-- ARGV[2]  how many records there may be
-- ARGV[3]  how many endpoints there are
-- ARGV[4…] origin of each endpoint, in the order of KEYS[4…]; then for each job: id, state (status:revision), index of its
--          endpoint (1, 2, …)
-- Reply    { 'done', then for jobs in a row with the same outcome, in order: { outcome, how many jobs } }. Outcomes:
--          `enqueued`: it has a new record
--          `already-pending`: its record waits, or a host is sending it; the record is left as it is
--          `parked`: delivery of this state was given up
--          `deferred`: the limit of records is reached
--          `unclear`: another state is parked; nothing was done, and a call with the stats decides
--          `refused`, with the error as a third value, which names the queue of the endpoint, or the record that cannot be read
-- The new records are one entry of the audit stream (`includes/audit.lua`).
-- Repeats its first reply when it is sent again (`includes/once.lua`): its own records would be `already-pending`.
-- Also written by: every script of hooks; the Go jobservice (stats).
--- @include once
--- @include audit
--- @include rank
--- @include hook_record
--- @include enqueue_hook
--- @include runs

-- Longer than any host retries (`src/io/redis/retry.ts`). There is a reply for each page of a sweep, so not longer than needed.
local KEPT_MS = 60000
local hooks, parked, origins = KEYS[1], KEYS[2], KEYS[3]
local at, maxRecords = nowMs(ARGV[1]), tonumber(ARGV[2])
local count = tonumber(ARGV[3])
local refused = refusalOf({
  { hooks, 'hash', 'HMGET', 'HLEN', 'HSET', 'EXPIRE' },
  { parked, 'zset', 'ZREM', 'EXPIRE' },
  { origins, 'set', 'SADD', 'EXPIRE' },
})
if refused then
  return refused
end
local refusals, written = {}, { hooks, parked, origins }
for n = 1, count do
  local queue = KEYS[3 + n]
  local refusal = refusalOf({ { queue, 'zset', 'ZCARD', 'ZADD', 'EXPIRE' } })
  -- A wrong type affects this queue only. A missing right affects all of them.
  if refusal and not string.find(refusal.err, 'WRONGTYPE', 1, true) then
    return refusal
  end
  refusals[n] = refusal or false
  written[#written + 1] = not refusals[n] and queue or nil
end
for n = 1, count do
  if not refusals[n] then
    redis.call('SADD', origins, ARGV[3 + n])
  end
end
-- Many jobs with one command each, which is several times faster. Lua can pass some thousand values to a call, so some hundred
-- jobs at a time.
local STRIDE = 500
local reply, all = { 'done' }, {}
for from = 4 + count, #ARGV, 3 * STRIDE do
  local to = math.min(#ARGV, from + 3 * STRIDE - 1)
  local ids = {}
  for i = from, to, 3 do
    ids[#ids + 1] = ARGV[i]
  end
  local texts = redis.call('HMGET', hooks, unpack(ids))
  local rooms, added = {}, 0
  local records, unparked, queues, known = {}, {}, {}, {}
  for n, id in ipairs(ids) do
    local i = from + 3 * (n - 1)
    local endpoint = tonumber(ARGV[i + 2])
    local record = readRecord(texts[n])
    local state = ARGV[i + 1]
    local isUnclear = false
    if record and record.kind == 'parked' and record.state ~= state and RANK[string.match(state, '^%a+')] then
      -- The caller has read the job a while ago, and the parked state may be its newer one. (A state that is not a status means
      -- the present state, whichever it is. It is sent even if it is parked.)
      local stats = KEYS[4 + count + (i - 4 - count) / 3]
      isUnclear = not stats
      state = stats and stateOf(stats) == record.state and record.state or state
    end
    local outcome, new = 'unclear', nil
    local refusal = refusals[endpoint] and refusals[endpoint].err or nil
    if texts[n] and not record then
      refusal = string.format('%s: the record of %s cannot be read; the reaper does not touch it: remove that field', hooks, id)
    end
    if refusal then
      outcome = 'refused'
    elseif not isUnclear then
      rooms[endpoint] = rooms[endpoint] or roomFor(hooks, KEYS[3 + endpoint], maxRecords)
      outcome, new = recordChange(record, state, ARGV[3 + endpoint], rooms[endpoint] > added)
    end
    addRun(reply, outcome, refusal)
    if new then
      added = record and added or added + 1
      records[#records + 1] = id
      all[#all + 1] = id
      records[#records + 1] = new
      local queue = queues[endpoint] or {}
      queues[endpoint] = queue
      queue[#queue + 1] = at
      queue[#queue + 1] = id
      if record and record.kind == 'parked' then
        unparked[#unparked + 1] = id
      end
    elseif not isUnclear and not refusal and mayBeUnqueued(record, ARGV[3 + endpoint]) then
      local queue = known[endpoint] or {}
      known[endpoint] = queue
      queue[#queue + 1] = at + requeueAfter
      queue[#queue + 1] = id
    end
  end
  if #records > 0 then
    redis.call('HSET', hooks, unpack(records))
  end
  for endpoint, queue in pairs(queues) do
    redis.call('ZADD', KEYS[3 + endpoint], unpack(queue))
  end
  for endpoint, queue in pairs(known) do
    redis.call('ZADD', KEYS[3 + endpoint], 'NX', unpack(queue))
  end
  if #unparked > 0 then
    redis.call('ZREM', parked, unpack(unparked))
  end
end
keepHooks(unpack(written))
if #all == 0 then
  return reply
end
return recorded(answerOnce(reply, KEPT_MS), { what = 'refire', n = #all, ids = all })

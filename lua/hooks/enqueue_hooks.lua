-- Notes of many jobs at once that their receivers have not confirmed a change: one round trip a page of a sweep.
--
-- KEYS[1]  records of undelivered hooks
-- KEYS[2]  parked ones
-- KEYS[3]  origins of the receivers
-- KEYS[4…] queue of each receiver that these jobs have, then the stats of each job, or none of them
-- ARGV[1]  the empty string, or a time (ms) that stands for the clock of Redis
-- ARGV[2]  how many records there may be
-- ARGV[3]  how many receivers there are
-- ARGV[4…] origin of each receiver, in the order of KEYS[4…], then for each job: id, state (status:revision), index of its
--          receiver (1, 2, …)
-- A receiver whose queue can't be written keeps none of the others from being told.
-- Returns  for each job a word: `queued`, `parked` or `deferred`; without the stats also `look`: another state of it is
--          parked, and nothing was done, for only its stats tell which of the two it has now;
--          or the error that names the queue of its receiver, where that can't be written
-- Others that touch these keys: every script here that has to do with hooks; of the stats, the Go jobservice.
--- @include prove
--- @include rank
--- @include hook_record
--- @include enqueue_hook

local hooks, parked, origins = KEYS[1], KEYS[2], KEYS[3]
local at, most = nowMs(ARGV[1]), tonumber(ARGV[2])
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
  -- A queue of another type is a fault of its own; a right is missing for all of them.
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
-- All at once rather than one by one: that is several times faster. Lua passes no more than some thousand values to a
-- call, so some hundred jobs at a time.
local STRIDE = 500
local replies = {}
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
    local receiver = tonumber(ARGV[i + 2])
    local record = readRecord(texts[n])
    local state = ARGV[i + 1]
    local isUnclear = false
    if record and record.kind == 'parked' and record.state ~= state and RANK[string.match(state, '^%a+')] then
      -- Who enqueues has read the job a while ago. What is parked may be what it has become since. (A state that is no
      -- status stands for "whatever it is": that is sent, parked or not.)
      local stats = KEYS[4 + count + (i - 4 - count) / 3]
      isUnclear = not stats
      state = stats and stateOf(stats) == record.state and record.state or state
    end
    local reply, new = 'look', nil
    if refusals[receiver] then
      reply = refusals[receiver].err
    elseif not isUnclear then
      rooms[receiver] = rooms[receiver] or roomFor(hooks, KEYS[3 + receiver], most)
      reply, new = noteChange(record, state, ARGV[3 + receiver], rooms[receiver] > added)
    end
    replies[#replies + 1] = reply
    if new then
      added = record and added or added + 1
      records[#records + 1] = id
      records[#records + 1] = recordText(new)
      local queue = queues[receiver] or {}
      queues[receiver] = queue
      queue[#queue + 1] = at
      queue[#queue + 1] = id
      if record and record.kind == 'parked' then
        unparked[#unparked + 1] = id
      end
    elseif not isUnclear and not refusals[receiver] and mayBeLost(record, ARGV[3 + receiver]) then
      local queue = known[receiver] or {}
      known[receiver] = queue
      queue[#queue + 1] = at + lostAfter
      queue[#queue + 1] = id
    end
  end
  if #records > 0 then
    redis.call('HSET', hooks, unpack(records))
  end
  for receiver, queue in pairs(queues) do
    redis.call('ZADD', KEYS[3 + receiver], unpack(queue))
  end
  for receiver, queue in pairs(known) do
    redis.call('ZADD', KEYS[3 + receiver], 'NX', unpack(queue))
  end
  if #unparked > 0 then
    redis.call('ZREM', parked, unpack(unparked))
  end
end
keepHooks(unpack(written))
return replies

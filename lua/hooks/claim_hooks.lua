-- Claims hooks of one endpoint that are due: only this host may send them until the claim expires. Reads each record and the stats
-- of its job in the same step. While the endpoint's circuit is open it claims nothing, except for one probe from time to time.
-- After a recovery it limits the rate until the queue is empty.
--
-- KEYS[1]  {ns}:reaper:hooks (hash)
-- KEYS[2]  {ns}:reaper:hooks:due:<endpoint> (zset; score: when the hook is due in ms, or when its claim expires)
-- KEYS[3]  {ns}:reaper:hooks:endpoint:<endpoint> (hash)
-- KEYS[4]  {ns}:reaper:hooks:origins (set)
-- KEYS[5…] {ns}:job_stats:<id> (hash): of each job that may be due
-- ARGV[1]  '', or a time in ms that replaces the clock of Redis
-- ARGV[2]  how long a claim is valid (ms)
-- ARGV[3]  how many hooks may be claimed; fewer if their stats are large
-- ARGV[4]  how many consecutive failures open the circuit
-- ARGV[5]  hooks per second while the rate is limited
-- ARGV[6]  origin of the endpoint
-- ARGV[7…] ids of the jobs of KEYS[5…]
-- Reply    { 'claimed', how long until there may be more to claim (ms; -1: the queue is empty),
--            state of the circuit (`closed`, `open`, `probing` or `draining`), time of the claim (ms), its end (ms), JSON: for
--            each claimed hook [ id, `asked` or `pending`, attempts, [STATS…] (false for a missing field), or nothing more for a
--            job without stats ], JSON: ids of jobs whose hooks are due next }. One text is decoded several times faster than the
--            many small replies that it replaces.
-- Repeats its first reply when it is sent again (`includes/once.lua`), with `unread` in place of the stats, and without the next ids.
-- Also written by: every script of hooks; the Go jobservice (stats).
-- Stats of another type count as missing: the sender finds nothing to send, and drops the record.
--- @include once
--- @include hook_record
--- @include hook_endpoint

-- The fields that an event is built from.
local STATS = { 'id', 'name', 'kind', 'unique', 'status', 'ref_link', 'enqueue_time', 'run_at', 'cron_spec',
  'web_hook_url', 'numeric_policy_id', 'update_time', 'revision', 'check_in_at', 'die_at', 'upstream_job_id',
  'parameters', 'ack' }
local STATUS, REVISION = 5, 13

local hooks, due, endpoint, origins = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local at, lease, max = nowMs(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local threshold, rate, origin = tonumber(ARGV[4]), tonumber(ARGV[5]), ARGV[6]
local now, claimEnd = string.format('%d', at), string.format('%d', at + lease)
local asked = max
local function listOf(values)
  return #values > 0 and cjson.encode(values) or '[]'
end
local function replyOf(wait, breaker, hooksOf, nextIds)
  return { 'claimed', string.format('%d', wait), breaker, now, claimEnd, listOf(hooksOf), listOf(nextIds) }
end

local refused = refusalOf({
  { hooks, 'hash', 'HMGET', 'HSET' },
  { due, 'zset', 'ZSCORE', 'ZADD', 'ZREM', 'ZRANGE', 'ZRANGEBYSCORE' },
  { endpoint, 'hash', 'HMGET', 'HSET', 'HDEL' },
  { origins, 'set', 'SREM' },
  KEYS[5] and { KEYS[5], false, 'HMGET' },
})
if refused then
  return refused
end
local failures, openUntil, probeUntil, tokens, tokensAt =
  unpack(redis.call('HMGET', endpoint, 'failures', 'open_until', 'probe_until', 'tokens', 'tokens_at'))
local breaker = 'closed'
if (tonumber(failures or '') or 0) >= threshold then
  local openTo = math.max(tonumber(openUntil or '') or 0, tonumber(probeUntil or '') or 0)
  if isAhead(openTo, at, math.max(longestOpen, lease)) then
    return replyOf(openTo - at, 'open', {}, {})
  end
  breaker, max = 'probing', 1
elseif tokens then
  -- A token bucket that fills at the given rate and holds the tokens of a tenth of a second.
  local before, since = tonumber(tokens) or 0, tonumber(tokensAt or '') or 0
  -- If the clock of Redis has gone back by more than a second since, the time that has passed is unknown: one token, and the time
  -- is written again.
  local more = since - at > 1000 and 1 or math.max(0, at - since) * rate / 1000
  local held = math.min(math.max(1, rate / 10), before + more)
  if held < 1 then
    return replyOf(math.ceil((1 - held) * 1000 / rate), 'draining', {}, {})
  end
  breaker, max = 'draining', math.min(max, math.floor(held))
  tokens = held
end

-- Hooks with times of before the clock of Redis went back are due now. How much of such a claim has passed is unknown: its host gets a
-- whole one. Retries may be in the way of some of them, until they are due.
local far = redis.call('ZRANGEBYSCORE', due, string.format('(%d', at + requeueAfter), '+inf', 'LIMIT', 0, 2 * asked)
for i, text in ipairs(#far > 0 and redis.call('HMGET', hooks, unpack(far)) or {}) do
  local record = readRecord(text)
  if record and isMisdated(record, at) then
    if isClaimed(record) then
      record.last = math.floor(at / 1000)
      writeRecord(hooks, far[i], record)
    end
    redis.call('ZADD', due, isClaimed(record) and claimEnd or now, far[i])
  end
end

local claimed, unread, size, records, queue, lost = {}, {}, 0, {}, {}, {}
-- A caller may name a hook twice.
local seen = {}
local texts = KEYS[5] and redis.call('HMGET', hooks, unpack(ARGV, 7)) or {}
for i = 5, #KEYS do
  local id = ARGV[i + 2]
  local score = not seen[id] and tonumber(redis.call('ZSCORE', due, id) or '')
  seen[id] = true
  if #claimed < max and size < 1000000 and score and score <= at then
    local record = readRecord(texts[i - 4])
    if not record or record.kind == 'parked' or record.origin ~= origin then
      lost[#lost + 1] = id
    else
      local isRequested = record.kind == 'asked' or record.kind == 'resending'
      local stats = redis.pcall('HMGET', KEYS[i], unpack(STATS))
      -- The present state: one event reports all changes until now.
      local state = stateBy(stats[STATUS], stats[REVISION])
      if state ~= record.state then
        -- The attempts before were for another state. This one has attempts and a deadline of its own.
        record.state, record.attempts, record.first = state, 0, 0
      end
      record.kind = isRequested and 'resending' or 'sending'
      record.attempts = record.attempts + 1
      record.last = math.floor(at / 1000)
      record.first = record.first > 0 and math.min(record.first, record.last) or record.last
      records[#records + 1] = id
      records[#records + 1] = recordText(record)
      queue[#queue + 1] = claimEnd
      queue[#queue + 1] = id
      local kind = isRequested and 'asked' or 'pending'
      claimed[#claimed + 1] = { id, kind, record.attempts, state ~= 'none:0' and stats or nil }
      unread[#unread + 1] = { id, kind, record.attempts, 'unread' }
      for n = 1, #stats do
        size = size + #(stats[n] or '')
      end
    end
  end
end
if #claimed > 0 then
  redis.call('HSET', hooks, unpack(records))
  redis.call('ZADD', due, unpack(queue))
end
if #lost > 0 then
  redis.call('ZREM', due, unpack(lost))
end

if breaker == 'probing' and #claimed > 0 then
  redis.call('HSET', endpoint, 'probe_until', claimEnd)
elseif breaker == 'draining' then
  redis.call('HSET', endpoint, 'tokens', tostring(tokens - #claimed), 'tokens_at', now)
end
-- The next claim may ask for more. It needs the ids before it, and must not ask for them in a round trip of its own.
local first = redis.call('ZRANGE', due, 0, math.max(0, 2 * asked - 1), 'WITHSCORES')
local nextIds = {}
for i = 1, #first, 2 do
  if tonumber(first[i + 1]) <= at then
    nextIds[#nextIds + 1] = first[i]
  end
end
local wait = first[2] and math.max(0, tonumber(first[2]) - at) or -1
if breaker == 'draining' and #claimed == 0 and wait ~= 0 then
  -- Everything that waited during the outage is sent.
  redis.call('HDEL', endpoint, 'tokens', 'tokens_at')
  breaker = 'closed'
end
if not first[1] then
  -- The script that enqueues the next hook adds the endpoint again.
  redis.call('SREM', origins, origin)
end
if #claimed > 0 then
  -- Without the stats, which may hold secrets. An expired claim needs no reply any more.
  answerOnce(replyOf(wait, breaker, unread, {}), lease)
end
return replyOf(wait, breaker, claimed, nextIds)

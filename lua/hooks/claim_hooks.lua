-- Takes hooks of one receiver that are due, for this host to send: no other host does so until the claim is over. Reads
-- each record and the stats that it is about in one step. A receiver that does not answer is let alone (its breaker is
-- open) save for one probe after a while; one that has come back is told no faster than it was agreed, until all is told.
--
-- KEYS[1]  records of undelivered hooks
-- KEYS[2]  queue of the receiver (score: when it is due, ms; while it is being sent: when the claim is over)
-- KEYS[3]  state of the receiver
-- KEYS[4]  origins of the receivers
-- KEYS[5…] stats of the jobs that may be due
-- ARGV[1]  the empty string, or a time (ms) that stands for the clock of Redis
-- ARGV[2]  how long a claim holds (ms)
-- ARGV[3]  how many may be taken; fewer where their stats are large
-- ARGV[4]  failures in a row that open the breaker
-- ARGV[5]  hooks a second while a receiver that has come back is told what it missed
-- ARGV[6]  origin of the receiver
-- ARGV[7…] ids of the jobs of KEYS[5…]
-- Stats of another type are as good as none: whoever sends finds nothing to tell, and its record goes.
-- Sent again with its token (`includes/once.lua`), it gives its first answer, with `unread` in the place of stats.
-- Returns  { how long until there may be more to take (ms; -1: nothing is in the queue),
--            `closed`, `open`, `probing` or `draining`,
--            then for each hook that was taken { id, kind, attempts, time of the claim (ms), its end (ms), and the values of
--            STATS, or nothing more where there are none } }
-- Others that touch these keys: every script here that has to do with hooks; of the stats, the Go jobservice.
--- @include once
--- @include hook_record

-- All that an event is built from.
local STATS = { 'id', 'name', 'kind', 'unique', 'status', 'ref_link', 'enqueue_time', 'run_at', 'cron_spec',
  'web_hook_url', 'numeric_policy_id', 'update_time', 'revision', 'check_in_at', 'die_at', 'upstream_job_id',
  'parameters', 'ack' }

local hooks, due, endpoint, origins = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local at, lease, most = nowMs(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local threshold, rate, origin = tonumber(ARGV[4]), tonumber(ARGV[5]), ARGV[6]

local refused = refusalOf({
  { hooks, 'hash', 'HGET', 'HSET' },
  { due, 'zset', 'ZSCORE', 'ZADD', 'ZREM', 'ZRANGE' },
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
  local rest = math.max(tonumber(openUntil or '') or 0, tonumber(probeUntil or '') or 0)
  if rest > at then
    return { string.format('%d', rest - at), 'open' }
  end
  breaker, most = 'probing', 1
elseif tokens then
  -- A bucket that fills at the agreed rate and holds a tenth of a second's worth.
  local before, since = tonumber(tokens) or 0, tonumber(tokensAt or '') or 0
  local held = math.min(math.max(1, rate / 10), before + math.max(0, at - since) * rate / 1000)
  if held < 1 then
    return { string.format('%d', math.ceil((1 - held) * 1000 / rate)), 'draining' }
  end
  breaker, most = 'draining', math.min(most, math.floor(held))
  tokens = held
end

local taken, unread, size = {}, {}, 0
for i = 5, #KEYS do
  local id = ARGV[i + 2]
  local score = tonumber(redis.call('ZSCORE', due, id) or '')
  if #taken < most and size < 1000000 and score and score <= at then
    local record = readRecord(redis.call('HGET', hooks, id))
    if not record or record.kind == 'parked' or record.origin ~= origin then
      redis.call('ZREM', due, id)
    else
      local isAsked = record.kind == 'asked' or record.kind == 'resending'
      -- As it is now: changes that have come since are told by the same event.
      local state = stateOf(KEYS[i])
      if state ~= record.state then
        -- What was tried before was another change: this one has tries and a deadline of its own.
        record.state, record.attempts, record.first = state, 0, 0
      end
      record.kind = isAsked and 'resending' or 'sending'
      record.attempts = record.attempts + 1
      record.last = math.floor(at / 1000)
      record.first = record.first > 0 and record.first or record.last
      writeRecord(hooks, id, record)
      redis.call('ZADD', due, at + lease, id)
      local stats = record.state == 'none:0' and {} or redis.call('HMGET', KEYS[i], unpack(STATS))
      taken[#taken + 1] = { id, isAsked and 'asked' or 'pending', record.attempts, string.format('%d', at),
        string.format('%d', at + lease), unpack(stats) }
      for _, value in ipairs(taken[#taken]) do
        size = size + #tostring(value)
      end
      unread[#unread + 1] = { unpack(taken[#taken], 1, 5) }
      unread[#unread][6] = 'unread'
    end
  end
end

if breaker == 'probing' and #taken > 0 then
  redis.call('HSET', endpoint, 'probe_until', string.format('%d', at + lease))
elseif breaker == 'draining' then
  redis.call('HSET', endpoint, 'tokens', tostring(tokens - #taken), 'tokens_at', string.format('%d', at))
end
local first = redis.call('ZRANGE', due, 0, 0, 'WITHSCORES')
local wait = first[2] and math.max(0, tonumber(first[2]) - at) or -1
if breaker == 'draining' and #taken == 0 and wait ~= 0 then
  -- All that it has missed is told.
  redis.call('HDEL', endpoint, 'tokens', 'tokens_at')
  breaker = 'closed'
end
if not first[1] then
  -- Whoever enqueues the next one notes the receiver again, in the step that enqueues.
  redis.call('SREM', origins, origin)
end
wait = string.format('%d', wait)
if #taken > 0 then
  -- Without the stats: they hold what nobody else should see. A claim that is over is worth nothing.
  answerOnce({ wait, breaker, unpack(unread) }, lease)
end
return { wait, breaker, unpack(taken) }

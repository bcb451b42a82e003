-- Asks for the lease of the scheduled passes: acquires it if it is free or has expired, renews it if the caller has it, and
-- replies who has it and how far the passes are. An expired lease is never renewed, even if no other host has acquired it: the
-- judgements made under it may be old. A lease of another host that ends later than any renewal could have said is over too: the
-- clock of Redis has gone back since, and its holder may be dead. Each term has a higher fencing token than every term before it. The token is also at
-- least the clock of Redis, so a token is not used again after the lease was deleted.
--
-- KEYS[1]  {ns}:reaper:lease (hash)
-- KEYS[2]  {ns}:reaper:progress (hash)
-- ARGV[1]  id of the caller
-- ARGV[2]  its host and process, for people
-- ARGV[3]  fencing token of its term; '' for none. A caller whose token is not the stored one has not heard that it has the
--          lease, so a new term begins
-- ARGV[4]  duration of the lease (ms)
-- Reply    { 'acquired' (a new term), 'renewed' or 'held' (by another), now (ms), id of the leader, its host, fencing token,
--          until (ms), since (ms), { progress as HGETALL returns it } }
-- Sent again because its reply was lost, it begins another term: the caller has not heard of the first one.
-- Also written by: resign_lease; begin_sweep, checkpoint_sweep, complete_sweep and complete_rescue (progress).
--- @include prove
--- @include now_ms

local lease, progress = KEYS[1], KEYS[2]
local caller, host, fence, duration = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])
local refused = refusalOf({ { lease, 'hash', 'HMGET', 'HSET' }, { progress, false, 'HGETALL' } })
if refused then
  return refused
end
-- A key of another type counts as no progress: the leader can still rescue, and sweep from the beginning. begin_sweep and
-- complete_sweep report the key.
local fields = redis.pcall('HGETALL', progress)
local now = redisMs()
local held = redis.call('HMGET', lease, 'holder', 'fence', 'until', 'duration')
local left = (tonumber(held[3] or '') or 0) - now
-- Twice, because a clock that goes back a little must not end the lease of a live holder.
local isAhead = held[1] ~= caller and left > 2 * (tonumber(held[4] or '') or duration)
local isOver = left <= 0 or isAhead
local outcome = 'held'
if isOver or held[1] == caller then
  outcome = 'renewed'
  if isOver or held[2] ~= fence then
    outcome = 'acquired'
    local number = math.max((tonumber(held[2] or '') or 0) + 1, now)
    redis.call('HSET', lease, 'holder', caller, 'host', host, 'fence', string.format('%.0f', number), 'since',
      string.format('%.0f', now))
  end
  redis.call('HSET', lease, 'until', string.format('%.0f', now + duration), 'duration', string.format('%.0f', duration))
end
local leader, leaderHost, number, untilMs, since =
  unpack(redis.call('HMGET', lease, 'holder', 'host', 'fence', 'until', 'since'))
return { outcome, string.format('%.0f', now), leader, leaderHost, number, untilMs, since, fields.err and {} or fields }

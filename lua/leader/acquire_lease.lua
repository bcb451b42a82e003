-- Asks for the lease of the scheduled passes: takes it if it is free or over, renews it if the caller has it, and says who
-- has it and how far the passes are. A lease that was over is never renewed, though nobody took it: what was judged under it
-- may be old. Each tenure has a higher fencing number than any before, by the clock of Redis too, so that a lease that was
-- deleted lets no number be used again.
--
-- KEYS[1]  lease
-- KEYS[2]  progress of the passes
-- ARGV[1]  id of the caller
-- ARGV[2]  its host and process, for people
-- ARGV[3]  fencing number of its tenure, or the empty string for none. With another one than stands it has not heard that
--          it holds the lease: a new tenure
-- ARGV[4]  for how long the lease is given, in ms
-- Returns  { now (ms), id of the holder, its host, fencing number, until (ms), since (ms), progress as HGETALL gives it… }
-- Sent again, since its answer was lost, it begins another tenure: the caller has not heard of the first one.
-- Others that touch these keys: resign_lease, begin_sweep, checkpoint_sweep, complete_pass, and every script behind a fence.
--- @include prove
--- @include now_ms

local lease, progress = KEYS[1], KEYS[2]
local caller, host, fence, duration = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])
local refused = refusalOf({ { lease, 'hash', 'HMGET', 'HSET' }, { progress, false, 'HGETALL' } })
if refused then
  return refused
end
-- Progress of another type is none: whoever has the lease can rescue, and sweep from the beginning. begin_sweep and complete_pass
-- say what is wrong with it.
local fields = redis.pcall('HGETALL', progress)
local now = redisMs()
local held = redis.call('HMGET', lease, 'holder', 'fence', 'until')
local isOver = now >= (tonumber(held[3] or '') or 0)
if isOver or held[1] == caller then
  if isOver or held[2] ~= fence then
    local number = math.max((tonumber(held[2] or '') or 0) + 1, now)
    redis.call('HSET', lease, 'holder', caller, 'host', host, 'fence', string.format('%.0f', number), 'since',
      string.format('%.0f', now))
  end
  redis.call('HSET', lease, 'until', string.format('%.0f', now + duration))
end
local reply = redis.call('HMGET', lease, 'holder', 'host', 'fence', 'until', 'since')
table.insert(reply, 1, string.format('%.0f', now))
for i = 1, #fields do
  reply[#reply + 1] = fields[i]
end
return reply

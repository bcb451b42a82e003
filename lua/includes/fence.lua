--- @include now_ms
--- @include prove

-- What goes before a script that a holder of the lease runs: it changes nothing once the lease is over, or another's. A
-- process that was paused, and wakes up with what it judged long ago in hand, is stopped here.
-- The lease and the fencing number are the first key and the first argument; the script itself does not see them.
local lease, fence = table.remove(KEYS, 1), table.remove(ARGV, 1)
do
  local refused = refusalOf({ { lease, 'hash', 'HMGET' } })
  if refused then
    return refused
  end
  local held = redis.call('HMGET', lease, 'fence', 'until')
  if held[1] ~= fence or redisMs() >= (tonumber(held[2] or '') or 0) then
    return { 'fenced' }
  end
end

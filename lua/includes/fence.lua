--- @include now_ms
--- @include prove

-- Runs before a script of the leader: nothing is changed once the lease has expired, or another host has it. This stops a process
-- that was suspended and resumes with old judgements.
--
-- KEYS[1]  {ns}:reaper:lease (hash); removed from KEYS, so the script does not see it
-- ARGV[1]  fencing token; removed from ARGV
-- Reply    { 'fenced' }, if the lease is no longer valid
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

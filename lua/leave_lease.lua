-- Gives the lease up, if the caller has it: another host need not wait until it is over. The fencing number stays, for the
-- next one has to be higher.
--
-- KEYS[1]  lease
-- ARGV[1]  id of the caller
-- Returns  `left`, or `not held`
-- Others that touch these keys: take_lease, and every script behind a fence.

if redis.call('HGET', KEYS[1], 'holder') ~= ARGV[1] then
  return 'not held'
end
redis.call('HSET', KEYS[1], 'until', 0)
redis.call('HDEL', KEYS[1], 'holder', 'host', 'since')
return 'left'

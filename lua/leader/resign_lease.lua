-- Gives the lease up, if the caller has it: another host need not wait until it is over. The fencing number stays, for the
-- next one has to be higher.
--
-- KEYS[1]  lease
-- ARGV[1]  id of the caller
-- Returns  `left` (sent again likewise, as long as no other has it), or `not held`
-- Others that touch these keys: acquire_lease, and every script behind a fence.
--- @include prove

local refused = refusalOf({ { KEYS[1], 'hash', 'HGET', 'HSET', 'HDEL' } })
if refused then
  return refused
end
local holder = redis.call('HGET', KEYS[1], 'holder')
if not holder then
  return 'left'
end
if holder ~= ARGV[1] then
  return 'not held'
end
redis.call('HSET', KEYS[1], 'until', 0)
redis.call('HDEL', KEYS[1], 'holder', 'host', 'since')
return 'left'

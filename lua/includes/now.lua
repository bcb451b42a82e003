-- The unix second by the clock of Redis: the one clock that all hosts share.
local function now()
  return tonumber(redis.call('TIME')[1])
end

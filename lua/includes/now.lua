-- The unix time in s by the clock of Redis, which all hosts share.
local function now()
  return tonumber(redis.call('TIME')[1])
end

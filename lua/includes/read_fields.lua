-- Fields of a hash of the Go side; nil if the key is not a hash.
local function readFields(key, ...)
  local values = redis.pcall('HMGET', key, ...)
  if not values.err then
    return values
  elseif string.find(values.err, 'WRONGTYPE', 1, true) then
    return nil
  end
  return redis.call('HMGET', key, ...) -- raises the error
end

-- Fields of a hash of the Go side, or nil where the key is no hash.
local function readFields(key, ...)
  local values = redis.pcall('HMGET', key, ...)
  if not values.err then
    return values
  elseif string.find(values.err, 'WRONGTYPE', 1, true) then
    return nil
  end
  return redis.call('HMGET', key, ...) -- raises the error
end

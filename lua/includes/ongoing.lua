-- Finds jobs that are plainly ongoing: not final, acknowledged exactly as they are, and recently alive. Rule 5 of
-- `src/machines/verdict.ts` keeps each of them. Whatever is unusual is left to these rules: a missing field (other than check_in_at,
-- which a job without a check-in has not), a time that is no plain decimal of at most 15 digits or that is ahead of the clock, an
-- acknowledgement in another form than Go writes, a type with other characters than printable ASCII. So all numbers that are compared
-- here are exact.
--
-- ARGV[1]   length of the part of a key before the id
-- ARGV[2]   how far ahead of the clock a time may be, in s
-- ARGV[3]   how long a job may show no sign of life, in s
-- ARGV[4…]  the same for some job types: type, s, type, s, …
local find, sub = string.find, string.sub
-- How an acknowledgement begins, by the statuses that are not final.
local ACK_OF = {}
for _, status in ipairs({ 'Pending', 'Scheduled', 'Running' }) do
  ACK_OF[status] = '{"status":"' .. status .. '","revision":'
end

-- A table that asks `valueOf` for each key once. What is asked for is false where a field is missing, or nil where all are.
local function remember(valueOf)
  return setmetatable({}, {
    __index = function(known, key)
      local value = key and valueOf(key) or false
      known[key or false] = value
      return value
    end,
  })
end

-- Returns a function that returns the type of the job with this key if it is plainly ongoing at this time, else nil.
local function findOngoing(time)
  local idFrom, ahead = tonumber(ARGV[1]) + 1, time + tonumber(ARGV[2])
  local times = remember(function(text)
    return (text == '0' or #text <= 15 and find(text, '^[1-9]%d*$')) and tonumber(text)
  end)
  local limits = remember(function(name)
    return #name <= 128 and find(name, '^[ -~]+$') and tonumber(ARGV[3])
  end)
  for i = 4, #ARGV, 2 do
    limits[ARGV[i]] = tonumber(ARGV[i + 1])
  end

  return function(key)
    local values = redis.pcall('HMGET', key, 'id', 'status', 'name', 'update_time', 'check_in_at', 'revision', 'enqueue_time',
      'run_at', 'ack')
    local ack, name, checkIn, revision = ACK_OF[values[2] or false], values[3], values[5] or '0', values[6]
    if not ack or not revision or values[9] ~= ack .. revision .. ',"check_in_at":' .. checkIn .. '}' then
      return nil
    end
    local updated, checkedIn, begun, enqueued, runs = times[values[4]], times[checkIn], times[revision], times[values[7]], times[values[8]]
    local silence = limits[name]
    if not (silence and updated and checkedIn and begun and enqueued and runs) or values[1] ~= sub(key, idFrom)
      or updated > ahead or checkedIn > ahead or begun > ahead or enqueued > ahead then
      return nil
    end
    local since = time - silence
    if updated >= since or checkedIn >= since or begun >= since or enqueued >= since or runs >= since then
      return name
    end
    return nil
  end
end

-- A queue entry for a reader that only wants to know whose it is: where its id can be read off its beginning, the same with
-- nothing else in it, however large its arguments are. Any other entry as it is: a periodic execution is known by its
-- arguments, and an `id` further on, be it written with escapes, may be the one that counts.
local function shortOf(entry)
  local name, id = string.match(entry, '^{"name":"([^"\\]*)","id":"([^"\\]+)",')
  if not id or string.find(entry, '_job_kind_periodic_', 1, true) then
    return entry
  end
  local _, first = string.find(entry, '"id"', 1, true)
  if string.find(entry, '"id"', first + 1, true) or string.find(entry, '\\u006', first + 1, true) then
    return entry
  end
  return '{"name":"' .. name .. '","id":"' .. id .. '","t":0}'
end

-- How many entries may be read at once, so that they are some `bytes` in all, by the sizes of a few of them.
local function countFor(samples, bytes, most)
  local largest = 1
  for _, sample in ipairs(samples) do
    largest = math.max(largest, sample and #sample or 0)
  end
  return math.max(1, math.min(most, math.floor(bytes / largest)))
end

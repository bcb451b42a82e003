--- @include entry

-- Whether the top level of an entry may have a second id, from `at` on. Nested ids are common and do not count. It searches for quotes and
-- braces only, which is several times faster than reading the JSON.
local function mayHaveSecondId(entry, at)
  if find(entry, '\\u006', at, true) then
    return true -- an i or a d, escaped
  elseif not find(entry, '"id"', at, true) then
    return false
  end
  local depth = 1
  at = find(entry, '["{}%[%]]', at)
  while at do
    local found = byte(entry, at)
    if found ~= 34 then
      depth = depth + ((found == 123 or found == 91) and 1 or -1)
    elseif depth == 1 and find(entry, '^"id"%s*:', at) then
      return true
    else
      local slash
      repeat
        at = find(entry, '"', at + 1, true)
        slash = at and at - 1
        while slash and byte(entry, slash) == 92 do
          slash = slash - 1
        end
      until not at or (at - slash) % 2 == 1
      if not at then
        return true
      end
    end
    at = find(entry, '["{}%[%]]', at + 1)
  end
  return false
end

-- The id of an entry's job, for scripts that look at many entries; nil if there is none.
local function idOf(entry)
  -- The usual beginning of an entry of gocraft/work, without escapes. So most entries need not be scanned, which would take a good part of
  -- a rescue or a search.
  local _, to, id = find(entry, '^{"name":"[^"\\]*","id":"([^"\\]+)",')
  if to and not find(entry, PERIODIC, 1, true) and not mayHaveSecondId(entry, to + 1) then
    return id
  end
  return (jobOf(entry))
end

--- @include read_fields

-- What a job's stats hold that a run of it changes; nil where the key is no hash.
local function readSigns(stats)
  local values = readFields(stats, 'status', 'update_time', 'check_in_at', 'revision')
  if not values then
    return nil
  end
  for i = 1, 4 do
    values[i] = values[i] or ''
  end
  return values
end

local function textOfSigns(values)
  return table.concat(values, '|')
end

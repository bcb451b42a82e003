--- @include read_fields

-- The fields of a job's stats that a run changes; nil if the key is not a hash.
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

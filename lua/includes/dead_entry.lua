-- What gocraft writes into an entry that has failed for good, without touching its other bytes: an entry that is decoded
-- and encoded again has other numbers (cjson knows doubles only), other escapes and another order, and is another job to
-- whoever removes it by its bytes. So only the members of the top level are found, and three values are put in.

-- The entry as gocraft would write it when its job has failed for the last time: in gocraft's order where the members are
-- new, in their place where they are there.
local function deadEntry(entry, err, at)
  local members, last = membersOf(entry)
  local function valueOf(name)
    return members[name] and string.sub(entry, members[name][1], members[name][2]) or ''
  end
  local fails = string.match(valueOf('fails'), '^%d+$') and tonumber(valueOf('fails')) or 0
  local values = {
    -- A count that Lua can't add one to is no count of failures.
    { 'fails', string.format('%d', fails < 9007199254740992 and fails + 1 or 1) },
    { 'err', cjson.encode(err) },
    { 'failed_at', string.format('%d', at) },
  }
  local edits, new = {}, ''
  for _, value in ipairs(values) do
    local name, text = unpack(value)
    local place = members[name]
    if place then
      edits[#edits + 1] = { place[1], place[2], text }
    else
      new = new .. ',"' .. name .. '":' .. text
    end
  end
  edits[#edits + 1] = { last + 1, last, new }
  -- From the end, so that what is before it stays where it is. An entry's last value may be replaced, and what is new
  -- comes after it.
  table.sort(edits, function(a, b) return a[1] > b[1] end)
  for _, edit in ipairs(edits) do
    entry = string.sub(entry, 1, edit[1] - 1) .. edit[3] .. string.sub(entry, edit[2] + 1)
  end
  return entry
end

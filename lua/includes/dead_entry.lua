-- Writes into an entry what gocraft writes when the job has failed for the last time, without changing its other bytes. Decoding and encoding
-- it would change numbers (cjson knows doubles only), escapes and the order, and tools that remove entries by their bytes would not
-- find it. So only the members of the top level are located, and three values are replaced or added.

-- Returns the entry as gocraft would write it. Existing members keep their place; new ones come last, in gocraft's order.
local function deadEntry(entry, err, at)
  local members, last = membersOf(entry)
  local function valueOf(name)
    return members[name] and string.sub(entry, members[name][1], members[name][2]) or ''
  end
  local fails = string.match(valueOf('fails'), '^%d+$') and tonumber(valueOf('fails')) or 0
  local values = {
    -- A number that Lua cannot increment exactly is not a count of failures.
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
  -- From the end on, so that the positions before remain valid. If the last value is replaced, new members follow it.
  table.sort(edits, function(a, b) return a[1] > b[1] end)
  for _, edit in ipairs(edits) do
    entry = string.sub(entry, 1, edit[1] - 1) .. edit[3] .. string.sub(entry, edit[2] + 1)
  end
  return entry
end

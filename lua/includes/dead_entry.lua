-- What gocraft writes into an entry that has failed for good, without touching its other bytes: an entry that is decoded
-- and encoded again has other numbers (cjson knows doubles only), other escapes and another order, and is another job to
-- whoever removes it by its bytes. So only the members of the top level are found, and three values are put in.

-- Index of the quote that ends the string which begins at `from`.
local function stringEnd(text, from)
  local at = from
  while true do
    at = string.find(text, '["\\]', at + 1)
    if string.byte(text, at) == 34 then
      return at
    end
    at = at + 1
  end
end

-- Index of the last byte of the value that begins at `from`.
local function valueEnd(text, from)
  local first = string.sub(text, from, from)
  if first == '"' then
    return stringEnd(text, from)
  end
  if first ~= '{' and first ~= '[' then
    return string.find(text, '[%s,}]', from) - 1
  end
  local depth, at = 0, from
  while true do
    local byte = string.sub(text, at, at)
    if byte == '"' then
      at = stringEnd(text, at)
    else
      depth = depth + ((byte == '{' or byte == '[') and 1 or -1)
      if depth == 0 then
        return at
      end
    end
    at = string.find(text, '["%[%]{}]', at + 1)
  end
end

-- Where the values of an object's members begin and end: name → { from, to }, and where the last one ends. Of a name that
-- comes twice the last one counts, as for Go and for cjson. `text` is an object that cjson can read.
local function membersOf(text)
  local members, last = {}, nil
  local at = string.find(text, '[^%s]', string.find(text, '{', 1, true) + 1)
  while string.sub(text, at, at) == '"' do
    local to = stringEnd(text, at)
    local name = cjson.decode('[' .. string.sub(text, at, to) .. ']')[1]
    local from = string.find(text, '[^%s]', string.find(text, ':', to + 1, true) + 1)
    last = valueEnd(text, from)
    members[name] = { from, last }
    at = string.find(text, '[^%s,]', last + 1)
  end
  return members, last
end

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

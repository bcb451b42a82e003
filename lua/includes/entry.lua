-- Reads a queue entry without decoding it. cjson refuses JSON that Go and Node accept (a lone surrogate, a thousand levels of
-- nesting), and accepts JSON that they refuse (0x10, NaN, a raw line break in a string). So this scanner follows the grammar of
-- JSON.parse, and skips values without recursion. Entries are never encoded again: they move as the same bytes.

local find, byte, sub = string.find, string.byte, string.sub

-- Index of the closing quote of the string that begins at `at`; nil for a malformed string.
local function stringEnd(text, at)
  while true do
    at = find(text, '[%z\1-\31"\\]', at + 1)
    local found = at and byte(text, at)
    if found == 34 then
      return at
    elseif found ~= 92 then
      return nil
    end
    at = find(text, '^["\\/bfnrt]', at + 1) or select(2, find(text, '^u%x%x%x%x', at + 1))
    if not at then
      return nil
    end
  end
end

-- Index of the last byte of the number, true, false or null that begins at `at`; nil if there is none.
local function scalarEnd(text, at)
  local _, to = find(text, '^-?[1-9]%d*', at)
  if not to then
    _, to = find(text, '^-?0', at)
  end
  if to then
    local _, fraction = find(text, '^%.%d+', to + 1)
    to = fraction or to
    local _, exponent = find(text, '^[eE][+-]?%d+', to + 1)
    return exponent or to
  end
  for _, word in ipairs({ 'true', 'false', 'null' }) do
    if sub(text, at, at + #word - 1) == word then
      return at + #word - 1
    end
  end
  return nil
end

local ESCAPES = { b = '\b', f = '\f', n = '\n', r = '\r', t = '\t' }

local function utf8Of(code)
  local char, rest = string.char, math.floor
  if code < 0x80 then
    return char(code)
  elseif code < 0x800 then
    return char(0xC0 + rest(code / 64), 0x80 + code % 64)
  elseif code < 0x10000 then
    return char(0xE0 + rest(code / 4096), 0x80 + rest(code / 64) % 64, 0x80 + code % 64)
  end
  return char(0xF0 + rest(code / 262144), 0x80 + rest(code / 4096) % 64, 0x80 + rest(code / 64) % 64, 0x80 + code % 64)
end

-- Unescapes the text between the quotes of a well-formed string. A lone surrogate becomes U+FFFD, as Go reads it and as a Node
-- client writes it.
local function unescaped(text)
  local parts, at = {}, 1
  while true do
    local slash = find(text, '\\', at, true)
    parts[#parts + 1] = sub(text, at, (slash or 0) - 1)
    if not slash then
      return table.concat(parts)
    end
    local letter = sub(text, slash + 1, slash + 1)
    at = slash + 2
    if letter ~= 'u' then
      parts[#parts + 1] = ESCAPES[letter] or letter
    else
      local code = tonumber(sub(text, at, at + 3), 16)
      at = at + 4
      if code >= 0xD800 and code < 0xE000 then
        local low = code < 0xDC00 and string.match(text, '^\\u([dD][c-fC-F]%x%x)', at)
        at = low and at + 6 or at
        code = low and 0x10000 + (code - 0xD800) * 1024 + tonumber(low, 16) - 0xDC00 or 0xFFFD
      end
      parts[#parts + 1] = utf8Of(code)
    end
  end
end

-- Finds the values of the members of an object: name → { from, to }, and the end of the last one. Of several members with one
-- name the last one counts, as for Go and Node. Nil if the text is not a JSON object.
local function membersOf(text)
  local members, name, from, last = nil, nil, nil, nil
  -- The open objects and arrays, the outermost first: whether each is an object.
  local isObject, depth, expects = {}, 0, 'value'
  local at = find(text, '[^ \t\n\r]')
  while at do
    local first, to = byte(text, at), nil
    if expects == 'more' and first == 44 then
      expects = isObject[depth] and 'name' or 'value'
      to, at = nil, at + 1
    elseif (expects == 'more' or expects == 'name or end') and first == 125 and isObject[depth] then
      depth, to = depth - 1, at
    elseif (expects == 'more' or expects == 'value or end') and first == 93 and not isObject[depth] then
      depth, to = depth - 1, at
    elseif (expects == 'name' or expects == 'name or end') and first == 34 then
      local nameEnd = stringEnd(text, at)
      local colon = nameEnd and find(text, '[^ \t\n\r]', nameEnd + 1)
      if not colon or byte(text, colon) ~= 58 then
        return nil
      end
      name = depth == 1 and unescaped(sub(text, at + 1, nameEnd - 1)) or name
      expects, at = 'value', colon + 1
    elseif expects == 'value' or expects == 'value or end' then
      from = depth == 1 and at or from
      if first == 123 or first == 91 then
        depth = depth + 1
        isObject[depth] = first == 123
        members = members or (depth == 1 and first == 123 and {} or nil)
        expects, at = first == 123 and 'name or end' or 'value or end', at + 1
      else
        to = (first == 34 and stringEnd or scalarEnd)(text, at)
        if not to then
          return nil
        end
      end
    else
      return nil
    end
    if to then
      if depth == 1 and isObject[1] then
        members[name] = { from, to }
        last = to
      end
      expects, at = depth == 0 and 'nothing' or 'more', to + 1
    end
    at = find(text, '[^ \t\n\r]', at)
  end
  if expects ~= 'nothing' then
    return nil
  end
  return members, last
end

-- The value of a member as a string; nil if it is not a string.
local function stringAt(text, member)
  return member and byte(text, member[1]) == 34 and unescaped(sub(text, member[1] + 1, member[2] - 1)) or nil
end

-- The epoch in the args (JSON) of a periodic execution: a string, or a whole number in digits. Nil if there is none.
local PERIODIC = '_job_kind_periodic_'
local function epochOf(args)
  -- The name may be written with escapes.
  if not find(args, PERIODIC, 1, true) and not find(args, '\\u', 1, true) then
    return nil
  end
  local members = membersOf(args)
  local member = members and members[PERIODIC]
  if not member then
    return nil
  end
  local number = find(args, '^[-%d]', member[1]) and tonumber(sub(args, member[1], member[2]))
  if number then
    local isWhole = number == math.floor(number) and math.abs(number) < 9007199254740992
    return isWhole and string.format('%d', number) or nil
  end
  return stringAt(args, member)
end

-- The id of the job of an entry or an observation. A periodic execution has the id of its policy, and the epoch in its args: its
-- job is `<policy>@<epoch>` (source: Harbor's jobservice).
local function jobIdOf(id, args)
  if not id or id == '' then
    return nil
  end
  local epoch = args and epochOf(args)
  return epoch and id .. '@' .. epoch or id
end

-- The job id of an entry, the id that is written in the entry, and the members of the entry; nil if the entry cannot be read or has
-- no id.
local function jobOf(entry)
  local members = membersOf(entry)
  local id = members and stringAt(entry, members.id)
  local args = members and members.args
  return jobIdOf(id, args and sub(entry, args[1], args[2])), id, members
end

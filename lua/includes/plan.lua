-- For a script that has a second form, its plan (`src/io/redis/scripts.ts`): it replies what the script would reply, changes nothing, and
-- needs no right to write. This is true in that form.
local isPlan = false

-- What `refusalOf` has to prove: in a plan, only the types of the keys.
local function unlessPlan(uses)
  if not isPlan then
    return uses
  end
  local types = {}
  for _, use in ipairs(uses) do
    types[#types + 1] = { use[1], use[2] }
  end
  return types
end

-- The id of the job whose queue entry this is, or nil where the entry can't be read or has none. The entry of a periodic
-- execution has its policy's id, and the epoch in its args: its job is `<policy>@<epoch>` (source: Harbor's jobservice).
-- `src/io/entries.ts` has the same rule. The entry itself is never written again from what is decoded here.
local function jobIdOf(id, args)
  if type(id) ~= 'string' or id == '' then
    return nil
  end
  local epoch = type(args) == 'table' and args._job_kind_periodic_
  if type(epoch) == 'number' then
    epoch = string.format('%d', epoch)
  end
  return type(epoch) == 'string' and id .. '@' .. epoch or id
end

local function jobOf(entry)
  local read, job = pcall(cjson.decode, entry)
  if not read or type(job) ~= 'table' then
    return nil
  end
  return jobIdOf(job.id, job.args)
end

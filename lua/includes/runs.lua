-- Adds the outcome of one job to a reply, in which jobs in a row with the same outcome are one { outcome, how many jobs, error }. A reply
-- for each job would cost more than all else that is sent, or kept, of it.
local function addRun(reply, outcome, refusal)
  local last = reply[#reply]
  if type(last) == 'table' and last[1] == outcome and last[3] == refusal then
    last[2] = last[2] + 1
  else
    reply[#reply + 1] = { outcome, 1, refusal }
  end
end

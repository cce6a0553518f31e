-- For wrk: ask for one address after the other. Argument: a file of lines "path<TAB>host<TAB>cookie".
local requests, position = {}, 0

function init(arguments)
  for line in io.lines(arguments[1]) do
    local path, host, cookie = line:match("^([^\t]*)\t([^\t]*)\t([^\t]*)$")
    local headers = { ["Host"] = host }
    if cookie ~= "" then headers["Cookie"] = cookie end
    requests[#requests + 1] = wrk.format("GET", path, headers)
  end
end

function request()
  position = position % #requests + 1
  return requests[position]
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    '\nRESULT {"requests": %d, "microseconds": %d, "bytes": %d, "p50": %d, "p99": %d, "refused": %d, "broken": %d}\n',
    summary.requests, summary.duration, summary.bytes, latency:percentile(50), latency:percentile(99),
    errors.status, errors.connect + errors.read + errors.write + errors.timeout))
end

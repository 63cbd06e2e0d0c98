-- What wrk has counted, as one line of JSON at the end. With WA_BENCH_LINES a
-- file of header values, each request carries the next one as its key.
local lines, at = nil, 0

function init()
    local name = os.getenv("WA_BENCH_LINES")
    if not name then return end
    lines = {}
    for line in io.lines(name) do
        lines[#lines + 1] = wrk.format(nil, nil, { Host = wrk.headers.Host, ["X-API-Key"] = line })
    end
    request = function()
        at = at % #lines + 1
        return lines[at]
    end
end

function done(summary, latency)
    local e = summary.errors
    io.write(string.format(
        '\n{"requests":%d,"us":%d,"p50":%d,"p99":%d,"connect":%d,"read":%d,"write":%d,"timeout":%d,"status":%d}\n',
        summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
        e.connect, e.read, e.write, e.timeout, e.status))
end

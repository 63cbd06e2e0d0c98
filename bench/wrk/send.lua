-- Sends: a text to one of many chats, each request with an Idempotency-Key of
-- its own. WA_BENCH_WAIT=1: the answer waits for WhatsApp's acceptance.
local count, salt = 0, tostring(os.time()) .. tostring(math.random(1e9))
local chats = tonumber(os.getenv("WA_BENCH_CHATS") or "1000")

function init()
    local f = io.open("/dev/urandom", "rb")
    salt = f:read(8):gsub(".", function(c) return string.format("%02x", c:byte()) end)
    f:close()
    wrk.method = "POST"
    wrk.headers["Content-Type"] = "application/json"
    if os.getenv("WA_BENCH_WAIT") ~= "1" then wrk.headers["Prefer"] = "respond-async" end
end

function request()
    count = count + 1
    wrk.headers["Idempotency-Key"] = salt .. "-" .. count
    return wrk.format(nil, nil, nil, string.format(
        '{"recipient":"+49151%08d","text":"A text of a usual length, to be sent to somebody; number %d"}',
        count % chats, count))
end

function done(summary, latency)
    local e = summary.errors
    io.write(string.format(
        '\n{"requests":%d,"us":%d,"p50":%d,"p99":%d,"connect":%d,"read":%d,"write":%d,"timeout":%d,"status":%d}\n',
        summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
        e.connect, e.read, e.write, e.timeout, e.status))
end

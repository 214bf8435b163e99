"""Drives the dashboard: raw requests first, then a browser. Started by dashboard.sh."""
import argparse
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time

from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

TOKEN = "a token-of-this-test".replace(" ", "-")
WRONG = "another-token-of-this-test"
LIMIT_S = float(os.environ.get("TEST_LIMIT", "30"))
MANY = 10000
FIRST_SCREEN_BYTES = 100 * 1024
PNG = "iVBORw0KGgo="

parser = argparse.ArgumentParser()
for name in ("shop", "bin", "root", "screenshots"):
    parser.add_argument("--" + name, required=True)
options = parser.parse_args()
failed = 0


# ---- Checks --------------------------------------------------------------------------------------

def check(name, holds, why=""):
    global failed
    if holds:
        print(f"ok    {name}", flush=True)
    else:
        failed += 1
        print(f"FAIL  {name}: {str(why)[:600]}", flush=True)


def same(name, found, wanted):
    check(name, found == wanted, f"{found!r} instead of {wanted!r}")


def wait_for(name, condition):
    """Repeats the condition until it is true; it may fail while the page changes."""
    end, last = time.monotonic() + LIMIT_S, None
    while time.monotonic() < end:
        try:
            last = condition()
            if last:
                check(name, True)
                return last
        except Exception as error:  # an element that was just replaced
            last = error
        time.sleep(0.03)
    check(name, False, f"not within {LIMIT_S} s; last {last!r}")
    return None


# ---- The server ----------------------------------------------------------------------------------

SOCKET = os.path.join(options.shop, "redis.sock")
URL = "unix://" + SOCKET


def redis(*words):
    return subprocess.run(["redis-cli", "-s", SOCKET, *words], check=True, capture_output=True,
                          text=True).stdout.rstrip("\n")


def weir(*words):
    done = subprocess.run([os.path.join(options.bin, "weir"), *words, "--redis", URL, "--json"],
                          capture_output=True, text=True)
    return json.loads(done.stdout) if done.stdout.strip() else None


def start_saga(saga, simulate):
    data = {"orderId": saga, "customerId": "c1", "amount": 5, "simulate": simulate}
    redis("XADD", "{sagas}:commands", "*", "type", "StartSaga", "saga", saga, "definition",
          "place-order", "data", json.dumps(data))


# In the shape of the contract, sagas in every state; the coordinator has no timer for them.
FILL = """
local states = { 'completed', 'completed', 'completed', 'completed', 'completed', 'completed',
    'compensated', 'compensated', 'running', 'compensating' }
local now = tonumber(redis.call('TIME')[1]) * 1000
local steps = { 'create-order', 'reserve-stock', 'process-payment', 'send-shipping-notification' }
for i = 1, tonumber(ARGV[1]) do
    local state, id = states[i % 10 + 1], string.format('order-%05d', i)
    if i % 100 == 8 then state = 'suspended' end
    local at = now - i * 700
    local key = '{sagas}:saga:' .. id
    redis.call('HSET', key, 'definition', i % 7 == 0 and 'refund' or 'place-order', 'version', 1,
        'state', state, 'data', '{"orderId":"' .. id .. '","customerId":"c' .. i % 50 .. '","amount":' .. i .. '}',
        'startedAt', at - 900, 'updatedAt', at, 'deadline', at + 86400000, 'revision', 5)
    if state == 'completed' or state == 'compensated' then redis.call('HSET', key, 'endedAt', at) end
    if state ~= 'completed' and state ~= 'running' then
        redis.call('HSET', key, 'reason', 'process-payment: account c' .. i % 50 .. ' has too little')
    end
    for n, step in ipairs(steps) do
        local of = 'succeeded'
        if state == 'compensated' then of = n == 3 and 'failed' or n == 4 and 'skipped' or 'compensated' end
        if state == 'compensating' then of = n == 3 and 'failed' or n == 4 and 'skipped' or n == 2 and 'compensated' or 'compensating' end
        if state == 'suspended' then of = n == 3 and 'failed' or n == 4 and 'skipped' or n == 2 and 'compensated' or 'failed' end
        if state == 'running' then of = n == 1 and 'succeeded' or n == 4 and 'pending' or n == 2 and 'succeeded' or 'running' end
        redis.call('HSET', key, 'step:' .. step .. ':state', of)
        if of ~= 'pending' and of ~= 'skipped' then
            redis.call('HSET', key, 'step:' .. step .. ':attempts', 1 + i % 3 % 2,
                'step:' .. step .. ':sentAt', at - 900 + n * 200)
        end
        if of == 'succeeded' or of == 'failed' or of == 'compensated' then
            redis.call('HSET', key, 'step:' .. step .. ':endedAt', at - 750 + n * 200)
        end
        if of == 'failed' then redis.call('HSET', key, 'step:' .. step .. ':error', 'account c' .. i % 50 .. ' has too little') end
        if of == 'succeeded' then redis.call('HSET', key, 'step:' .. step .. ':result', '{"at":' .. n .. '}') end
    end
    redis.call('ZADD', '{sagas}:state:' .. state, at, id)
end
return redis.call('ZCARD', '{sagas}:state:suspended')
"""

# ---- Hostile texts -------------------------------------------------------------------------------

SCRIPT = "<script>window.pwned=1</script><img src=x onerror=window.pwned=2>"
HOSTILE_ID = "<img-src=x-onerror=window.pwned=3>'&amp;%2e%2f;\u202eabc"
HOSTILE = SCRIPT + "\"'`&lt;\u202egnp.exe\u2028\u0001\u001b[31m${7*7}{{7*7}}"
BIG = {"note": SCRIPT + "x" * (1024 * 1024 - 200), "number": 12345678901234567890}


def put_hostile():
    now = int(time.time() * 1000)
    redis("HSET", "{sagas}:saga:" + HOSTILE_ID, "definition", HOSTILE, "version", "1", "state", "suspended",
          "reason", HOSTILE, "data", json.dumps({HOSTILE: HOSTILE}), "startedAt", str(now), "updatedAt", str(now),
          "revision", "1", "step:one:state", "failed", "step:one:error", HOSTILE, "step:one:attempts", "1")
    redis("ZADD", "{sagas}:state:suspended", str(now), HOSTILE_ID)
    redis("HSET", "{sagas}:saga:big", "definition", "place-order", "version", "1", "state", "running",
          "startedAt", str(now), "updatedAt", str(now), "revision", "1")
    # Together they are more than the page watches.
    for field in ("data", "step:create-order:result", "step:process-payment:result"):
        subprocess.run(["redis-cli", "-s", SOCKET, "-x", "HSET", "{sagas}:saga:big", field],
                       input=json.dumps(BIG).encode(), check=True, capture_output=True)
    redis("ZADD", "{sagas}:state:running", str(now), "big")
    redis("XADD", "{payments}:commands", "*", "type", "No.such-type", "data", json.dumps({"a": HOSTILE}),
          HOSTILE, HOSTILE, "subject", HOSTILE)


# ---- Dashboards ----------------------------------------------------------------------------------

class Dashboard:
    def __init__(self, name, *flags, token=TOKEN, listen="127.0.0.1:0"):
        self.log = os.path.join(options.shop, name + ".log")
        environment = {**os.environ, "REDIS_URL": URL, "WEIR_LOG_FORMAT": "text"}
        if token:
            environment["WEIR_DASHBOARD_TOKEN"] = token
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                [os.path.join(options.bin, "weir-dashboard"), "--listen", listen, *flags],
                env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        where = wait_for(f"{name} serves", lambda: re.search(r"listen=(\S+)", open(self.log).read()))
        self.where = where.group(1)
        self.port = int(self.where.rsplit(":", 1)[1])
        self.url = f"http://{self.where}/"

    def ask(self, method, path, body=None, **headers):
        given = {name.replace("_", "-"): value for name, value in headers.items() if value is not None}
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=LIMIT_S)
        connection.putrequest(method, path, skip_host="Host" in given)
        payload = body.encode() if isinstance(body, str) else body
        if payload is not None:
            connection.putheader("Content-Length", str(len(payload)))
        for name, value in given.items():
            connection.putheader(name, value)
        connection.endheaders(payload)
        answer = connection.getresponse()
        answer.body = answer.read()
        connection.close()
        return answer

    def post(self, path, body, **headers):
        headers.setdefault("Content_Type", "application/json")
        return self.ask("POST", path, json.dumps(body), **headers)

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(LIMIT_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return None


def code_of(*flags, **environment):
    return subprocess.run([os.path.join(options.bin, "weir-dashboard"), *flags], capture_output=True, timeout=LIMIT_S,
                          env={**os.environ, "REDIS_URL": URL, **environment}).returncode


# ---- Raw requests --------------------------------------------------------------------------------

def check_usage():
    same("other machines need a token", code_of("--listen", "0.0.0.0:0"), 64)
    same("actions need a token", code_of("--allow-actions", "--listen", "127.0.0.1:0"), 64)
    same("a short token is none", code_of("--listen", "127.0.0.1:0", WEIR_DASHBOARD_TOKEN="short"), 64)
    same("an unknown flag", code_of("--token", TOKEN), 64)
    same("--help", code_of("--help"), 0)
    same("--version", code_of("--version"), 0)


def check_headers(dashboard):
    page = dashboard.ask("GET", "/")
    policy = page.getheader("Content-Security-Policy")
    check("a strict policy", policy and policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'")
          and "unsafe" not in policy and "frame-ancestors 'none'" in policy, policy)
    same("not sniffed", page.getheader("X-Content-Type-Options"), "nosniff")
    same("no referrer", page.getheader("Referrer-Policy"), "no-referrer")
    same("of this origin alone", page.getheader("Cross-Origin-Resource-Policy"), "same-origin")
    part = dashboard.ask("GET", "/style.css")
    same("what is known is not sent again",
         dashboard.ask("GET", "/style.css", If_None_Match=part.getheader("ETag")).status, 304)
    same("answers are not kept", dashboard.ask("GET", "/api/sagas").getheader("Cache-Control"), "no-store")
    check("refusals have the policy, too", dashboard.ask("GET", "/nothing").getheader("Content-Security-Policy") == policy)


def brought(dashboard, **headers):
    """What the page brings along of the overview: text; empty where there is nothing."""
    page = dashboard.ask("GET", "/", **headers).body.decode()
    return re.search(r'<script type="application/json" id="first">(.*?)</script>', page, re.S).group(1)


def check_brought(dashboard):
    wait_for("the page brings its figures along", lambda: "payments" in brought(dashboard))
    same("as the interface has them", sorted(json.loads(brought(dashboard))), ["at", "history", "info", "top"])
    same("who may not read gets none", brought(dashboard, Sec_Fetch_Site="cross-site"), "")
    same("and they are not kept", dashboard.ask("GET", "/").getheader("Cache-Control"), "no-store")
    hostile = Dashboard("dashboard-hostile", "--namespace", "</script>:", token=None)
    wait_for("what is hostile in it is no markup",
             lambda: json.loads(brought(hostile))["info"]["namespace"] == "</script>:" and "<" not in brought(hostile))
    hostile.stop()


def check_access(acting, reading):
    auth = {"Authorization": "Bearer " + TOKEN}
    for host in ("evil.example", "localhost.evil.example:80", "127.0.0.1.evil.example", "[::1", "localhost:80:80", ""):
        same(f"host {host!r}", acting.ask("GET", "/api/sagas", Host=host).status, 421)
    for host in ("localhost", "127.0.0.1:1234", "[::1]:8420"):
        same(f"host {host!r}", acting.ask("GET", "/api/sagas", Host=host).status, 200)
    same("an allowed host", acting.ask("GET", "/api/sagas", Host="Weir.Example:443").status, 200)
    same("another site reads", acting.ask("GET", "/api/sagas", Sec_Fetch_Site="cross-site").status, 403)
    same("another site opens the page", acting.ask("GET", "/", Sec_Fetch_Site="cross-site").status, 200)
    cancel = "/api/cancel/no-such-saga"
    same("a site beside ours acts", acting.post(cancel, {}, Sec_Fetch_Site="same-site", **auth).status, 403)
    same("another origin acts", acting.post(cancel, {}, Origin="http://evil.example", **auth).status, 403)
    same("origin null", acting.post(cancel, {}, Origin="null", **auth).status, 403)
    same("our origin acts", acting.post(cancel, {}, Origin=f"http://{acting.where}", **auth).status, 409)
    same("a form acts", acting.post(cancel, {}, Content_Type="application/x-www-form-urlencoded", **auth).status, 415)
    same("a text acts", acting.post(cancel, {}, Content_Type="text/plain", **auth).status, 415)
    same("no token", acting.post(cancel, {}).status, 401)
    same("a wrong token", acting.post(cancel, {}, Authorization="Bearer " + WRONG).status, 401)
    same("a part of the token", acting.post(cancel, {}, Authorization="Bearer " + TOKEN[:-1]).status, 401)
    same("read-only", reading.post(cancel, {}, **auth).status, 403)
    same("an action by GET", acting.ask("GET", cancel, **auth).status, 404)
    same("reading by POST", acting.post("/api/sagas", {}, **auth).status, 404)
    other = acting.ask("DELETE", "/api/sagas", **auth)
    same("another method", (other.status, other.getheader("Content-Type"), other.getheader("Allow")),
         (405, "application/problem+json", "GET, HEAD, POST"))
    malformed = acting.ask("GET", "/api/%zz", **auth)
    same("a malformed target", (malformed.status, malformed.getheader("Content-Type")), (400, "application/problem+json"))
    for nothing in ("saga/nope", "services/nope", "definition/show/nope"):
        answer = acting.ask("GET", "/api/" + nothing)
        same(f"{nothing} is not there", (answer.status, answer.getheader("Weir-Exit"), json.loads(answer.body)["exit"]),
             (404, "1", 1))
    same("wrong tokens have an end", guess(acting), {401, 429})


def guess(dashboard):
    """Many at once; some are held back, the rest refused; the right one passes meanwhile."""
    sockets, found = [], set()
    for i in range(40):
        one = socket.create_connection(("127.0.0.1", dashboard.port))
        one.sendall((f"GET /api/info HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer guess-{i:020}\r\n"
                     "Connection: close\r\n\r\n").encode())
        sockets.append(one)
    same("a right token passes meanwhile",
         dashboard.ask("GET", "/api/info", Authorization="Bearer " + TOKEN).status, 200)
    for one in sockets:
        one.settimeout(LIMIT_S)
        found.add(int(one.recv(64).split()[1]))
        one.close()
    return found


def check_requests(dashboard):
    ask = dashboard.ask
    for target in ("/api/sagas?redis=redis://evil", "/api/sagas?namespace=x", "/api/sagas?help=", "/api/sagas?watch=1s",
                   "/api/sagas?limit=100000", "/api/sagas?state=nonsense", "/api/services?search=", "/api/saga/a/b",
                   "/api/top?limit=1", "/api/sagas?json=false"):
        same(target, ask("GET", target).status, 400)
    same("what is dear is not watched", ask("GET", "/api/live?topic=doctor").status, 400)
    for target in ("/api/start/place-order", "/api/install", "/api/query/views/x", "/api/definition/load/x",
                   "/api/projection/forget/shop", "/api/", "/api/dead/payments/forget", "/..%2f..%2fetc/passwd", "/api/--help"):
        same(target, ask("GET", target).status, 404)
    same("a flag as an operand", ask("GET", "/api/saga/--redis=x").status, 404)
    same("a NUL in the target", ask("GET", "/api/saga/a%00b").status, 400)
    same("no UTF-8", ask("GET", "/api/saga/%ff").status, 400)
    auth = {"Authorization": "Bearer " + TOKEN}
    same("an unknown option", dashboard.post("/api/cancel/x", {"redis": "redis://evil"}, **auth).status, 400)
    same("data from a file", dashboard.post("/api/signal/order-00001/go", {"data": "@/etc/passwd"}, **auth).status, 400)
    same("no JSON", dashboard.ask("POST", "/api/cancel/x", "nonsense", Content_Type="application/json", **auth).status, 400)
    same("no object", dashboard.post("/api/cancel/x", [], **auth).status, 400)
    same("too large a body", dashboard.ask("POST", "/api/cancel/x", Content_Type="application/json", Content_Length="3000000", **auth).status, 413)
    same("too large a header", ask("GET", "/api/sagas", X_Large="x" * 40000).status, 431)
    problem = ask("GET", "/api/saga/none-such")
    same("problems are told as such", problem.getheader("Content-Type"), "application/problem+json")
    same("in words", json.loads(problem.body)["detail"], "no saga none-such; weir sagas lists them")
    for words, target in ((("sagas", "--state", "suspended"), "/api/sagas?state=suspended"), (("saga", "order-00008"), "/api/saga/order-00008"),
                          (("definition", "list"), "/api/definition/list")):
        found = json.loads(ask("GET", target).body)
        for one in (found, expected := weir(*words)):
            if isinstance(one, dict):
                one.pop("waiting", None)  # tells how long
        same(f"{target} is what weir --json prints", found, expected)


def check_slow(dashboard):
    """Who sends his request piece by piece holds up nobody; nor does who reads no answer."""
    slow = [socket.create_connection(("127.0.0.1", dashboard.port)) for _ in range(40)]
    for one in slow:
        one.sendall(b"GET /api/top HTTP/1.1\r\nHost: local")
    deaf = socket.create_connection(("127.0.0.1", dashboard.port))
    deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    deaf.sendall(b"GET /api/live?topic=saga/big&topic=sagas HTTP/1.1\r\nHost: localhost\r\n\r\n")
    same("slow clients hold up nobody", dashboard.ask("GET", "/api/top").status, 200)
    for one in slow + [deaf]:
        one.close()
    same("they go", dashboard.ask("GET", "/api/top").status, 200)


def calls_of(command):
    found = re.search(rf"cmdstat_{command}:calls=(\d+)", redis("INFO", "commandstats"))
    return int(found.group(1)) if found else 0


def check_sharing(dashboard):
    """Eight that watch the same cause the runs of one."""
    before, streams, told = calls_of("info"), [], 0
    for _ in range(8):
        one = socket.create_connection(("127.0.0.1", dashboard.port))
        one.sendall(b"GET /api/live?topic=top HTTP/1.1\r\nHost: localhost\r\n\r\n")
        one.settimeout(LIMIT_S)
        streams.append(one)
    for one in streams:
        text = ""
        while text.count('"topic":0') < 5:
            text += one.recv(65536).decode()
        told += text.count('"topic":0')
    asked = calls_of("info") - before - 1
    for one in streams:
        one.close()
    check("eight viewers cause the runs of one", asked * 2 < told, f"{asked} runs, {told} answers")
    print(f"      {told} answers from {asked} runs", flush=True)


def check_history(dashboard):
    found = json.loads(dashboard.ask("GET", "/api/history").body)
    check("the history has begun", len(found["samples"]) >= 1 and found["since"] == found["samples"][0][0], found)


# ---- The browser ---------------------------------------------------------------------------------

WATCH = """
window.pwned = 0; window.violations = []; window.loadedAt = Math.random();
document.addEventListener('securitypolicyviolation', (event) => window.violations.push(event.violatedDirective + ' ' + event.blockedURI));
window.alert = window.confirm = window.prompt = () => { window.pwned = 9; };
"""


class Browser:
    def __init__(self):
        flags = Options()
        flags.binary_location = "/usr/bin/chromium"
        for one in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars",
                    "--no-first-run", "--disable-background-networking", "--disable-component-update"):
            flags.add_argument(one)
        flags.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        self.driver = webdriver.Chrome(service=Service("/usr/bin/chromedriver"), options=flags)
        self.driver.set_page_load_timeout(LIMIT_S)
        self.driver.set_script_timeout(LIMIT_S)
        self.driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": WATCH})
        self.shape(1360, 900)

    def shape(self, wide, high, dark=False):
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride",
                                    {"width": wide, "height": high, "deviceScaleFactor": 1, "mobile": wide < 500})
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [
            {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]})

    def run(self, script, *arguments):
        return self.driver.execute_script(script, *arguments)

    def go(self, where):
        self.run("location.hash = arguments[0]", where)

    def text(self, selector="main"):
        return self.run("return document.querySelector(arguments[0])?.textContent ?? ''", selector)

    def click(self, words, within="main", begins=False):
        """Presses the button, or follows the link, with these words."""
        return self.run("""
            const found = [...document.querySelectorAll(`${arguments[1]} :is(button, a)`)].find((one) =>
                arguments[2] ? one.textContent.trim().startsWith(arguments[0]) : one.textContent.trim() === arguments[0]);
            found?.click(); return found !== undefined;""", words, within, begins)

    def press(self, *keys):
        for key in keys:
            self.driver.switch_to.active_element.send_keys(key)

    def shot(self, name):
        path = os.path.join(options.screenshots, name + ".png")
        self.driver.save_screenshot(path)
        check(f"screenshot {name}", os.path.getsize(path) > 5000)


def shows(browser, name, words, selector="main"):
    wait_for(name, lambda: words in browser.text(selector))


def check_first_screen(browser, dashboard):
    browser.driver.get(dashboard.url)
    wait_for("the overview is there", lambda: browser.run("return document.querySelectorAll('main .tile').length >= 9"))
    figures = browser.run("""
        const all = [...performance.getEntriesByType('navigation'), ...performance.getEntriesByType('resource')];
        return { bytes: all.reduce((sum, one) => sum + (one.transferSize || 0), 0), files: all.length,
            foreign: all.filter((one) => !one.name.startsWith(location.origin + '/') && !one.name.startsWith('data:')).map((one) => one.name),
            paint: performance.getEntriesByName('first-contentful-paint')[0]?.startTime,
            shown: performance.getEntriesByName('weir-first-screen')[0]?.startTime };""")
    print(f"      first screen: {figures['bytes'] / 1024:.1f} KiB in {figures['files']} files, first paint after "
          f"{figures['paint'] or 0:.0f} ms, the overview with its figures after {figures['shown'] or 0:.0f} ms", flush=True)
    check("the first screen is small", 10000 < figures["bytes"] < FIRST_SCREEN_BYTES, figures)
    same("nothing comes from elsewhere", figures["foreign"], [])
    check("when it was shown is marked", (figures["shown"] or 0) > 0, figures)


# The page does not scroll aside, and nothing lies where nobody can see it. What scrolls by itself may.
OUTSIDE = """
if (document.documentElement.scrollWidth > document.documentElement.clientWidth) return ['the page scrolls aside'];
return [...document.querySelectorAll('header *, main *, footer *')].filter((one) => {
    const place = one.getBoundingClientRect();
    return place.width > 0 && !one.closest('.picture, thead, pre') && (place.left < -1 || place.right > innerWidth + 1) &&
        getComputedStyle(one).visibility !== 'hidden' && !(one.closest('.scroller') && innerWidth > 700);
}).slice(0, 5).map((one) => one.outerHTML.slice(0, 160));"""

SCREENS = [
    ("overview", "/", "sagas are suspended"),
    ("sagas", "/sagas", "order-00001"),
    ("sagas-suspended", "/sagas?state=suspended", "order-00008"),
    ("saga", "/saga/order-00008", "send-shipping-notification"),
    ("saga-running", "/saga/order-00009", "process-payment"),
    ("services", "/services", "payments-1"),
    ("service", "/services/payments", "Inboxes"),
    ("dead", "/dead", "payments"),
    ("dead-payments", "/dead/payments", "No.such-type"),
    ("models", "/models", "views/shop"),
    ("model", "/models/views%2Fshop", "notifications"),
    ("scheduled", "/scheduled", "Due first"),
    ("actions", "/actions", "definition load"),
    ("doctor", "/doctor", "appendonly"),
]


def check_screens(browser):
    for mode, wide, high, dark in (("light", 1360, 900, False), ("dark", 1360, 900, True), ("telephone", 360, 780, False)):
        browser.shape(wide, high, dark)
        for name, where, words in SCREENS:
            browser.go(where)
            wait_for(f"{name}, {mode}", lambda: words in browser.text() and not browser.run(
                "return document.querySelector('main [aria-busy]')"))
            same(f"{name}, {mode}: nothing beyond the edges", browser.run(OUTSIDE), [])
            browser.shot(f"{name}-{mode}")
    browser.shape(1360, 900)


def check_finding(browser):
    browser.go("/sagas?state=suspended&definition=place-order")
    shows(browser, "only those are found", "order-00008")
    wait_for("by state and definition", lambda: browser.run("""
        const rows = [...document.querySelectorAll('main tbody tr')];
        return rows.length === 50 && rows.every((row) => /place-order/.test(row.textContent) && /suspended/.test(row.textContent));"""))
    first = browser.run("return document.querySelector('main tbody a').textContent")
    check("there is an older page", browser.click("Older ›"))
    wait_for("the next page", lambda: browser.run("return document.querySelector('main tbody a').textContent") != first)
    browser.press("p")
    wait_for("back to the newest", lambda: browser.run("return document.querySelector('main tbody a').textContent") == first)
    browser.press("/")
    browser.press("order-01234", Keys.ENTER)
    shows(browser, "found by its id", "order-01234", "main h1")
    check("a deep link", browser.driver.current_url.endswith("#/saga/order-01234"), browser.driver.current_url)


def check_keys(browser):
    browser.go("/")
    shows(browser, "overview again", "Needs attention")
    browser.press("g", "s")
    shows(browser, "g s goes to the sagas", "Sagas", "main h1")
    wait_for("with rows", lambda: browser.run("return document.querySelectorAll('main tbody tr').length === 50"))
    browser.press("j", "j", "k", "j")
    second = browser.run("return document.querySelectorAll('main tbody tr')[1].querySelector('a').textContent")
    same("j and k walk the rows", browser.run("return document.activeElement.textContent"), second)
    browser.press(Keys.ENTER)
    shows(browser, "Enter opens the row", second, "main h1")
    browser.press("u")
    shows(browser, "u goes up", "Sagas", "main h1")
    browser.press("?")
    wait_for("? tells the keys", lambda: "next, previous row" in browser.text("dialog"))
    browser.press(Keys.ESCAPE)
    wait_for("Escape leaves it", lambda: not browser.run("return document.querySelector('dialog')"))
    browser.press("t")
    same("t changes the colours", browser.run("return document.documentElement.dataset.theme"), "light")
    browser.press("t", "t")


def check_live(browser):
    """A saga fails and is undone before our eyes."""
    loaded = browser.run("return window.loadedAt")
    browser.go("/saga/live-1")
    shows(browser, "it is not there yet", "no saga live-1")
    start_saga("live-1", {"process-payment": "slow:1500", "send-shipping-notification": "fail"})
    shows(browser, "it appears, running", "running", "main h1 + .state")
    browser.shot("saga-live-running")
    shows(browser, "it is undone", "compensated", "main h1 + .state")
    wait_for("the way back is drawn", lambda: browser.run("return document.querySelectorAll('.way.back').length") >= 3)
    same("steps are drawn beside each other", browser.run("""
        const at = (name) => [...document.querySelectorAll('.picture .step')].find((one) => one.getAttribute('aria-label').startsWith(name))
            .getAttribute('transform').match(/[\\d.]+/g).map(Number);
        const one = at('reserve-stock'), other = at('process-payment'), last = at('send-shipping');
        return one[0] === other[0] && one[1] !== other[1] && last[0] > one[0];"""), True)
    browser.shot("saga-live-compensated")
    same("without a reload", browser.run("return window.loadedAt"), loaded)


def check_hostile(browser):
    browser.go("/sagas?state=suspended")
    wait_for("a hostile id is a text", lambda: browser.run(
        "return [...document.querySelectorAll('main tbody a')].some((one) => one.textContent === arguments[0])", HOSTILE_ID))
    browser.run("[...document.querySelectorAll('main tbody a')].find((one) => one.textContent === arguments[0]).click()", HOSTILE_ID)
    wait_for("its page", lambda: browser.text("main h1").endswith(HOSTILE_ID))
    wait_for("its reason is a text", lambda: browser.text("main .reason bdi") == HOSTILE)
    same("its step's error", browser.text("main td .bad bdi"), HOSTILE)
    check("it stays in its place", browser.run("return getComputedStyle(document.querySelector('main .reason bdi')).unicodeBidi.startsWith('isolate')"))
    browser.click("Show data")
    wait_for("its data is a text", lambda: json.loads(browser.text("main .payload pre")) == {HOSTILE: HOSTILE})
    browser.shot("saga-hostile")
    browser.go("/saga/big")
    wait_for("1 MiB", lambda: browser.click("Show data"))
    wait_for("is shown in part", lambda: len(browser.text("main .payload pre")) == 20000)
    browser.click("Show all", begins=True)
    wait_for("and as a whole", lambda: len(browser.text("main .payload pre")) > 1000000)
    same("every sign of it", json.loads(browser.text("main .payload pre")), BIG)
    browser.go("/dead/payments")
    wait_for("a hostile dead letter", lambda: browser.run("""
        const link = [...document.querySelectorAll('main td a')].find((one) => /^\\d+-\\d+$/.test(one.textContent));
        link?.click(); return link !== undefined;"""))
    wait_for("its fields are texts", lambda: browser.run("""
        const texts = [...document.querySelectorAll('main .fields bdi')].map((one) => one.textContent);
        return texts.filter((one) => one === arguments[0]).length;""", HOSTILE) == 3)
    browser.click("Show data")
    wait_for("its data", lambda: json.loads(browser.text("main .payload pre")) == {"a": HOSTILE})
    browser.shot("dead-letter-hostile")
    same("nothing of it was run", browser.run("return window.pwned"), 0)
    same("nor made into elements", browser.run("return document.querySelectorAll('main script, main img, main iframe').length"), 0)


def sign_in(browser, token):
    browser.run("""
        const input = document.querySelector('dialog input[name=token]');
        input.value = arguments[0]; document.querySelector('dialog button[type=submit]').click();""", token)


def confirm(browser, title):
    wait_for(f"asked: {title}", lambda: title in browser.text("dialog h2"))
    browser.run("document.querySelector('dialog button[type=submit]').click()")


def check_dead(browser, dashboard):
    """A letter is mended and put back, once; others are dropped."""
    redis("XADD", "{payments}:commands", "*", "type", "OpenAccount", "data", '{"customerId":"c9"}')
    browser.go("/dead/payments")
    letter = wait_for("the letter is listed", lambda: browser.run("""
        const row = [...document.querySelectorAll('main [aria-label=Letters] tbody tr')].find((one) => /OpenAccount/.test(one.textContent));
        const link = row?.querySelector('a'), name = link?.textContent; link?.click(); return name;"""))
    wait_for("edit it", lambda: browser.click("Edit and replay"))
    wait_for("its data is there", lambda: browser.run("return JSON.parse(document.querySelector('dialog textarea').value).customerId") == "c9")
    browser.run("document.querySelector('dialog textarea').value = '[1]'")
    confirm(browser, "Edit and replay")
    shows(browser, "nonsense is refused at once", "no JSON object", "dialog [role=alert]")
    browser.run("""document.querySelector('dialog textarea').value = '{"customerId":"c9","balance":70}'""")
    confirm(browser, "Edit and replay")
    wait_for("it has taken effect", lambda: redis("HGET", "{payments}:account:c9", "balance") == "70")
    shows(browser, "back at the list", "Dead letters of payments", "main h1")
    same("twice is refused", dashboard.post(f"/api/dead/payments/replay/{letter}", {}, Authorization="Bearer " + TOKEN).status, 409)
    wait_for("the reasons are counted", lambda: browser.run("""
        const rows = [...document.querySelectorAll('main [aria-label=Reasons] tbody tr')];
        return rows.length === 1 && /No.such-type/.test(rows[0].textContent);"""))
    browser.shot("dead-reasons")
    browser.click("Drop all")
    confirm(browser, "Drop the one letter?")
    wait_for("they are gone", lambda: redis("XLEN", "{payments}:dead") == "0")
    shows(browser, "and it says so", "There are none")


def check_rebuild(browser):
    browser.go("/models/views%2Fshop")
    wait_for("a rebuild is begun", lambda: browser.click("Rebuild"))
    confirm(browser, "Rebuild views/shop?")
    wait_for("and seen to its end", lambda: "100 %" in browser.text("main .rebuild") and "Ended" in browser.text("main .rebuild"))
    same("on the server", weir("projection", "show", "shop")["rebuild"]["outcome"], "done")
    browser.shot("rebuilt")


def check_token_to_read():
    """What other machines can reach is shown to nobody without the token."""
    wide = Dashboard("dashboard-wide", listen="0.0.0.0:0")
    browser = None
    try:
        refused = wide.ask("GET", "/api/top")
        same("without the token nothing is told", (refused.status, b"usedMemory" in refused.body), (401, False))
        check("and what is wanted", (refused.getheader("WWW-Authenticate") or "").startswith("Bearer"))
        for path in ("/api/info", "/api/history", "/api/live?topic=top", "/api/saga/order-00008", "/api/nothing"):
            same(path, wide.ask("GET", path).status, 401)
        same("with it", wide.ask("GET", "/api/top", Authorization="Bearer " + TOKEN).status, 200)
        browser = Browser()
        browser.driver.get(f"http://127.0.0.1:{wide.port}/#/saga/order-00008")
        shows(browser, "the page asks for it", "A token is needed", "#banner")
        browser.click("Give it", "#banner")
        wait_for("the dialog", lambda: browser.run("return document.querySelector('dialog input[name=token]') !== null"))
        sign_in(browser, TOKEN)
        shows(browser, "and shows what was wanted", "send-shipping-notification")
        check_console(browser)
    finally:
        if browser:
            browser.driver.quit()
        same("it stops, too", wide.stop(), 0)
        check_secrets(wide)


def check_actions(browser, acting, reading):
    """A saga that is stuck is put right; only with the token."""
    start_saga("stuck-1", {"send-shipping-notification": "fail", "process-payment/compensate": "fail"})
    browser.go("/saga/stuck-1")
    shows(browser, "it is suspended", "suspended", "main h1 + .state")
    shows(browser, "it says why it waits", "Waits")
    browser.shot("saga-suspended")
    browser.click("Skip the step")
    wait_for("the token is asked for", lambda: browser.run("return document.querySelector('dialog input[name=token]') !== null"))
    sign_in(browser, WRONG)
    shows(browser, "a wrong one is refused", "wrong", "dialog [role=alert]")
    browser.shot("token-refused")
    sign_in(browser, TOKEN)
    wait_for("it is asked for once more, then done", lambda: "Skip the stuck step" in browser.text("dialog"))
    same("nothing was done before", redis("HGET", "{sagas}:saga:stuck-1", "state"), "suspended")
    browser.shot("skip-asked")
    browser.run("document.querySelector('dialog button[type=submit]').click()")
    shows(browser, "it is done", "compensated", "main h1 + .state")
    same("on the server", redis("HGET", "{sagas}:saga:stuck-1", "state"), "compensated")
    browser.go("/actions")
    wait_for("it is recorded", lambda: browser.run("""
        return [...document.querySelectorAll('main tbody tr')].some((row) => /dashboard/.test(row.textContent) && /stuck-1/.test(row.textContent));"""))
    recorded = [one for one in weir("actions") if one["target"] == "stuck-1"]
    same("by whom and how", [(one["via"], one["action"], one["outcome"]) for one in recorded], [("dashboard", "resume", "done")])
    same("the token is kept for this tab", browser.run("return [sessionStorage.length, localStorage.getItem('weir-token')]"), [1, None])
    check_dead(browser, acting)
    check_rebuild(browser)
    browser.click("Sign out", "header")
    wait_for("signed out", lambda: browser.run("return sessionStorage.getItem('weir-token')") is None)
    browser.driver.get(reading.url + "#/saga/order-00008")
    shows(browser, "read-only", "Resume")
    browser.click("Resume")
    shows(browser, "says so", "read-only", "#said")


def check_server_hangs(browser, dashboard):
    """A server that takes requests and answers none."""
    browser.driver.get(dashboard.url)
    shows(browser, "live before it hangs", "Live", "#link")
    server, found = int(open(os.path.join(options.shop, "redis.pid")).read()), []
    os.kill(server, signal.SIGSTOP)
    try:
        asking = threading.Thread(target=lambda: found.append(dashboard.ask("GET", "/api/top")))
        asking.start()
        shows(browser, "it says so while the server hangs", "No answer from the server since", "#banner")
        same("the dashboard does not hang with it", dashboard.ask("GET", "/api/info").status, 200)
        same("nor its page", dashboard.ask("GET", "/").status, 200)
        asking.join(LIMIT_S)
        same("who asks is told in time", [one.status for one in found], [503])
    finally:
        os.kill(server, signal.SIGCONT)
    wait_for("it goes on by itself", lambda: "Live" in browser.text("#link"))


def check_server_gone(browser, dashboard):
    browser.driver.get(dashboard.url)
    shows(browser, "live", "Live", "#link")
    loaded = browser.run("return window.loadedAt")
    os.kill(int(open(os.path.join(options.shop, "redis.pid")).read()), signal.SIGKILL)
    shows(browser, "it says since when there is no answer", "No answer from the server since", "#banner")
    check("what is shown is marked as old", browser.run("return document.body.classList.contains('stale')"))
    shows(browser, "and from when it is", "What is shown here is from", "#banner")
    browser.shot("server-gone")
    answer = dashboard.ask("GET", "/api/top")
    same("asked, it says so", (answer.status, "no answer from the server since" in json.loads(answer.body)["detail"]), (503, True))
    subprocess.run([os.path.join(options.root, "scripts/shop.sh"), "start", "redis", options.shop], check=True, capture_output=True)
    wait_for("it comes back by itself", lambda: browser.run("return document.querySelector('#banner').hidden") and
             "Live" in browser.text("#link"))
    same("nothing was loaded anew", browser.run("return window.loadedAt"), loaded)
    check("nothing is marked as old", not browser.run("return document.body.classList.contains('stale')"))


# Refusals that the test has asked for are told by the browser, too.
EXPECTED = re.compile(r"status of (401|403|404|409|503)")


def check_console(browser):
    lines = [one for one in browser.driver.get_log("browser") if not EXPECTED.search(one["message"])]
    same("no error in the console", [one["message"] for one in lines if one["level"] in ("SEVERE", "WARNING")], [])
    same("no violation of the policy", browser.run("return window.violations"), [])


def check_page_sources():
    folder = os.path.join(options.root, "framework/dashboard/page")
    barred = re.compile(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|DOMParser|setHTML|srcdoc|style=|https?://(?!www\.w3\.org/2000/svg)")
    for name in sorted(os.listdir(folder)):
        with open(os.path.join(folder, name), encoding="utf-8") as file:
            found = [line.strip() for line in file if barred.search(line)]
        same(f"{name} makes no markup of texts and loads nothing from elsewhere", found, [])


def check_secrets(*dashboards):
    for one in dashboards:
        with open(one.log, encoding="utf-8") as file:
            log = file.read()
        check("no token in a log", TOKEN not in log and WRONG not in log, one.log)


def main():
    os.makedirs(options.screenshots, exist_ok=True)
    check_page_sources()
    check_usage()
    same("sagas are on the server", int(redis("EVAL", FILL, "0", str(MANY))), MANY // 100)
    put_hostile()
    redis("XADD", "{payments}:commands", "*", "type", "OpenAccount", "data", '{"customerId":"c1","balance":500}')
    acting = Dashboard("dashboard-acting", "--allow-actions", "--host", "weir.example")
    reading = Dashboard("dashboard-reading", token=None)
    browser = None
    try:
        check_headers(reading)
        check_brought(reading)
        check_access(acting, reading)
        check_requests(acting)
        check_slow(acting)
        check_sharing(reading)
        check_history(reading)
        browser = Browser()
        check_first_screen(browser, acting)
        check_screens(browser)
        check_finding(browser)
        check_keys(browser)
        check_live(browser)
        check_hostile(browser)
        check_actions(browser, acting, reading)
        check_console(browser)
        check_server_hangs(browser, acting)
        check_server_gone(browser, acting)
        check_console(browser)
        check_secrets(acting, reading)
        check("an action is in the log", "dashboard.action" in open(acting.log).read())
        check_token_to_read()
    finally:
        if browser:
            browser.driver.quit()
        for one in (acting, reading):
            same("it stops in order", one.stop(), 0)
    return 1 if failed else 0


sys.exit(main())

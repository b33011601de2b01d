"""Drives the page in a headless Chromium, and has a Prometheus scrape the metrics. Run by scripts/page-test.

The browser is spoken to through a pipe (its DevTools protocol), the server through a socket; nothing but Python is
needed besides the two programs.
"""

import base64
import itertools
import json
import os
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

PATIENCE = 20
SCREENSHOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "page.png")
# What would act if it were taken for markup.
HOSTILE = [
    b"<script>window.owned=1</script>",
    b"<img src=x onerror='window.owned=1'>",
    b"</script><script>window.owned=1</script>",
    b"\"><svg onload=window.owned=1>",
]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_until(what, holds):
    deadline = time.monotonic() + PATIENCE
    while True:
        found = holds()
        if found:
            return found
        if time.monotonic() > deadline:
            raise SystemExit(f"waited in vain: {what}")
        time.sleep(0.05)


class Client:
    """A client of the server."""

    def __init__(self, port):
        self.file = socket.create_connection(("127.0.0.1", port), PATIENCE).makefile("rwb")

    def send(self, *words):
        words = [word if isinstance(word, bytes) else str(word).encode() for word in words]
        parts = [b"$%d\r\n%s\r\n" % (len(word), word) for word in words]
        self.file.write(b"*%d\r\n%s" % (len(words), b"".join(parts)))

    def read(self):
        line = self.file.readline()
        if not line:
            raise ConnectionError
        kind, rest = line[:1], line[1:-2]
        if kind == b"$":
            return None if rest == b"-1" else self.file.read(int(rest) + 2)[:-2]
        if kind == b"*":
            return [self.read() for _ in range(int(rest))]
        return rest

    def __call__(self, *words):
        self.send(*words)
        self.file.flush()
        return self.read()

    def info(self):
        lines = self("info", "everything").decode().splitlines()
        return dict(line.split(":", 1) for line in lines if ":" in line)


class Server:
    """The server, which can be started again in its place."""

    def __init__(self, *more):
        self.folder, self.more = tempfile.mkdtemp(), more
        self.port, self.http = free_port(), free_port()
        self.start()

    def start(self):
        program = os.environ["OXIDIS_BIN"]
        self.process = subprocess.Popen(
            [program, "--port", str(self.port), "--metrics-port", str(self.http), "--dir", self.folder,
             "--appendonly", "yes", "--bigkeys-scan", "yes", "--slowlog-log-slower-than", "2000",
             "--maxmemory", "256mb", "--maxmemory-policy", "allkeys-lru", *self.more],
            stdout=subprocess.DEVNULL,
        )

        def answers():
            try:
                return Client(self.port)("ping") == b"PONG"
            except OSError:
                return False

        wait_until("the server answers", answers)

    def stop(self):
        self.process.terminate()
        self.process.wait(PATIENCE)


class Load(threading.Thread):
    """What clients do all day."""

    def __init__(self, port):
        super().__init__(daemon=True)
        self.port, self.ends = port, False

    def run(self):
        while not self.ends:
            try:
                self.work(Client(self.port))
            except OSError:
                time.sleep(0.2)

    def work(self, client):
        draw = random.Random(7)
        for turn in itertools.count():
            if self.ends:
                return
            requests = 0
            for _ in range(60):
                key = b"session:%d" % draw.randrange(20000)
                command = draw.random()
                if command < 0.45:
                    client.send("get", key)
                elif command < 0.6:
                    client.send("set", key, "v" * draw.randrange(20, 400), "ex", draw.randrange(1, 300))
                elif command < 0.7:
                    client.send("get", "config:flags")
                elif command < 0.78:
                    client.send("incr", "counter:visits")
                elif command < 0.84:
                    client.send("zadd", "board", draw.randrange(10**6), f"player:{draw.randrange(5000)}")
                elif command < 0.9:
                    client.send("zrevrange", "board", 0, draw.randrange(5, 100))
                elif command < 0.95:
                    client.send("hset", f"user:{draw.randrange(500)}", "name", "Ada", "seen", turn)
                else:
                    client.send("lpush", "events", "e" * 40)
                requests += 1
            if turn % 40 == 0:
                client.send("ltrim", "events", 0, 20000)
                client.send("zrange", "board", 0, -1)
                client.send("keys", "session:1*")
                requests += 3
            if turn % 10 == 0:
                for name in HOSTILE:
                    client.send("get", name)
                requests += len(HOSTILE)
            client.file.flush()
            for _ in range(requests):
                client.read()
            time.sleep(abs(draw.gauss(0.004, 0.003)))


class Browser:
    """A headless Chromium with one page."""

    def __init__(self):
        self.profile = tempfile.mkdtemp()
        commands, self.commands = os.pipe()
        self.answers, answers = os.pipe()

        def take_pipes():
            # The browser reads from descriptor 3 and writes to 4.
            read, write = os.dup(commands), os.dup(answers)
            os.dup2(read, 3)
            os.dup2(write, 4)

        self.process = subprocess.Popen(
            ["chromium", "--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--remote-debugging-pipe",
             f"--user-data-dir={self.profile}", "--no-first-run", "--disable-component-update", "about:blank"],
            preexec_fn=take_pipes, close_fds=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )
        os.close(commands)
        os.close(answers)
        self.buffer, self.ids, self.session = b"", itertools.count(1), None
        self.faults, self.asked = [], []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(domain + ".enable")

    def read(self):
        while b"\0" not in self.buffer:
            piece = os.read(self.answers, 1 << 20)
            if not piece:
                raise SystemExit("the browser is gone")
            self.buffer += piece
        message, self.buffer = self.buffer.split(b"\0", 1)
        return json.loads(message)

    def call(self, method, **params):
        number = next(self.ids)
        message = {"id": number, "method": method, "params": params}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.commands, json.dumps(message).encode() + b"\0")
        while True:
            answer = self.read()
            if answer.get("id") == number:
                if "error" in answer:
                    raise SystemExit(f"{method}: {answer['error']}")
                return answer["result"]
            self.note(answer.get("method"), answer.get("params", {}))

    def note(self, method, params):
        if method == "Runtime.exceptionThrown":
            self.faults.append(params["exceptionDetails"].get("exception", params["exceptionDetails"]))
        elif method == "Log.entryAdded" and params["entry"]["level"] == "error":
            self.faults.append(params["entry"])
        elif method == "Network.requestWillBeSent":
            self.asked.append(params["request"]["url"])

    def run(self, expression):
        result = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in result:
            raise SystemExit(f"{expression}: {result['exceptionDetails']}")
        return result["result"].get("value")

    def size(self, width, height, scale=1):
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=scale, mobile=width < 600)

    def press(self, key):
        event = {"key": key, "text": key if len(key) == 1 else ""}
        self.call("Input.dispatchKeyEvent", type="keyDown", **event)
        self.call("Input.dispatchKeyEvent", type="keyUp", **event)

    def take(self, path):
        picture = self.call("Page.captureScreenshot", format="png")["data"]
        with open(path, "wb") as file:
            file.write(base64.b64decode(picture))

    def close(self):
        self.process.terminate()
        self.process.wait(PATIENCE)
        shutil.rmtree(self.profile, ignore_errors=True)


def check(what, holds, *details):
    if not holds:
        raise SystemExit(f"FAILED: {what} {details}")
    print(f"ok: {what}")


def shows_what_info_shows(browser, client):
    browser.run("document.getElementById('info').scrollIntoView()")
    fields = ["run_id", "tcp_port", "process_id", "maxmemory", "maxclients", "hz", "redis_version", "maxmemory_policy",
              "aof_enabled", "role", "connected_clients", "rejected_connections", "rdb_last_save_time"]
    for field in fields:
        def same():
            shown = browser.run(f"(document.querySelector('[data-field={field}] b') || {{}}).textContent")
            return shown is not None and shown == client.info()[field]

        wait_until(f"the page shows {field}", same)
    check("the page shows what INFO shows", True)


def hostile_keys_do_nothing(browser, client):
    def shown():
        for name in HOSTILE * 50:
            client("get", name)
        text = browser.run("document.getElementById('hot').innerText + document.getElementById('slow').innerText")
        return "<script>window.owned=1</script>" in text

    wait_until("a hostile key is shown", shown)
    check("a key named <script> does nothing", browser.run("window.owned === undefined"))
    # Those of the page itself: its script, and the drawing of replication.
    check("no markup comes of it", browser.run("document.querySelectorAll('img, iframe, body script').length") == 1)


def keys_work(browser):
    browser.run("document.activeElement.blur()")
    browser.press("3")
    wait_until("one hour is chosen", lambda: browser.run("document.querySelector('[data-range=\"3600\"]').ariaPressed === 'true'"))
    browser.press("p")
    wait_until("the next percentile is chosen", lambda: browser.run("document.querySelector('[data-percentile=\"2\"]').ariaPressed === 'true'"))
    browser.press("t")
    check("T changes the theme", browser.run("document.documentElement.dataset.theme") == "light")
    browser.press("t")
    browser.press("t")
    browser.press("/")
    check("/ goes to the filter", browser.run("document.activeElement.id") == "filter")
    browser.press("Escape")
    browser.press("?")
    check("? shows the keys", browser.run("document.getElementById('help').open"))
    browser.run("document.getElementById('help').close()")
    browser.press("1")


def fits_a_phone(browser):
    browser.size(390, 844)
    wait_until("the page is drawn anew", lambda: browser.run("innerWidth") == 390)
    check("it fits a phone", browser.run("document.documentElement.scrollWidth") <= 390, browser.run("document.documentElement.scrollWidth"))
    browser.size(1440, 1180)


def is_live(browser):
    return browser.run("document.querySelector('.state') !== null && document.querySelector('.state').classList.contains('live')")


def draws_a_cluster(browser):
    buses = [free_port(), free_port()]
    nodes = [Server("--cluster-enabled", "yes", "--cluster-port", str(bus)) for bus in buses]
    try:
        one, other = (Client(node.port) for node in nodes)
        one("cluster", "addslotsrange", 0, 9999)
        other("cluster", "addslotsrange", 10000, 16383)
        other("config", "set", "cluster-announce-human-nodename", "second")
        one("cluster", "meet", "127.0.0.1", nodes[1].port, buses[1])
        browser.call("Page.navigate", url=f"http://127.0.0.1:{nodes[0].http}/")
        wait_until("the page of a node is live", lambda: is_live(browser))
        wait_until("it draws both nodes", lambda: browser.run(
            "[...document.querySelectorAll('#nodes text')].map((text) => text.textContent).join()") ==
            f"127.0.0.1:{nodes[0].port},10.0k slots,second,6384 slots")
        wait_until("it tells that the cluster is well", lambda: browser.run(
            "document.getElementById('cluster-readout').textContent").startswith("ok, 2 nodes"))
        check("it draws a cluster", True)
    finally:
        for node in nodes:
            node.stop()


def survives_a_restart(browser, server):
    before = browser.run("document.querySelector('[data-field=run_id] b').textContent")
    server.stop()
    wait_until("the page says that the server is silent", lambda: browser.run("document.querySelector('.state').classList.contains('lost')"))
    server.start()
    wait_until("the page is live again", lambda: is_live(browser))
    wait_until("it shows the new process", lambda: browser.run("document.querySelector('[data-field=run_id] b').textContent") != before)
    check("it survives a restart of the server", True)


def costs_little(server):
    def used():
        with open(f"/proc/{server.process.pid}/stat") as file:
            words = file.read().rsplit(")", 1)[1].split()
        return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")

    before, began = used(), time.monotonic()
    time.sleep(4)
    share = (used() - before) / (time.monotonic() - began) * 100
    print(f"an idle server with the page open uses {share:.1f} % of a core")


def prometheus_scrapes(server):
    folder, port = tempfile.mkdtemp(), free_port()
    with open(os.path.join(folder, "prometheus.yml"), "w") as file:
        file.write(f"scrape_configs:\n  - job_name: oxidis\n    scrape_interval: 1s\n    static_configs:\n"
                   f"      - targets: ['127.0.0.1:{server.http}']\n")
    process = subprocess.Popen(
        ["prometheus", f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data",
         f"--web.listen-address=127.0.0.1:{port}", "--log.level=error"],
    )

    def ask(query):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v1/query?query={query}") as answer:
                result = json.load(answer)["data"]["result"]
        except OSError:
            return None
        return float(result[0]["value"][1]) if result else None

    try:
        wait_until("Prometheus has scraped", lambda: ask("up") == 1)
        wait_until("commands per second", lambda: ask("rate(redis_commands_processed_total[10s])"))
        wait_until("a quantile of the histogram", lambda: ask(
            "histogram_quantile(0.99,sum(rate(redis_commands_latencies_usec_bucket[10s]))by(le))"))
        check("a Prometheus scrapes it", ask("redis_up") == 1)
        print(f"samples of a scrape: {ask('scrape_samples_scraped'):.0f}")
    finally:
        process.terminate()
        process.wait(PATIENCE)
        shutil.rmtree(folder, ignore_errors=True)


def main():
    server = Server()
    load = Load(server.port)
    browser = Browser()
    try:
        load.start()
        browser.size(1440, 1180)
        browser.call("Page.navigate", url=f"http://127.0.0.1:{server.http}/")
        wait_until("the page is live", lambda: is_live(browser))
        shows_what_info_shows(browser, Client(server.port))
        hostile_keys_do_nothing(browser, Client(server.port))
        keys_work(browser)
        fits_a_phone(browser)
        prometheus_scrapes(server)
        foreign = [url for url in browser.asked if not url.startswith((f"http://127.0.0.1:{server.http}/", "data:", "about:"))]
        check("it asks nobody else for anything", not foreign, foreign)
        if "--screenshot" in sys.argv:
            replica = Server()
            Client(replica.port)("replicaof", "127.0.0.1", server.port)
            time.sleep(125)
            browser.run("scrollTo(0, 0)")
            browser.take(SCREENSHOT)
            browser.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "dark"}])
            time.sleep(2)
            browser.take("/tmp/page-dark.png")
            browser.size(390, 844, 2)
            time.sleep(2)
            browser.take("/tmp/page-phone.png")
            replica.stop()
        faults = list(browser.faults)
        check("the browser has no fault to find", not faults, faults)
        survives_a_restart(browser, server)
        load.ends = True
        load.join(PATIENCE)
        costs_little(server)
        draws_a_cluster(browser)
    finally:
        load.ends = True
        browser.close()
        server.stop()
        shutil.rmtree(server.folder, ignore_errors=True)


main()

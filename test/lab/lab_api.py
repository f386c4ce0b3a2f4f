#!/usr/bin/env python3
"""The daemon as its user meets it: HTTP, the command, reload, wrong configs, bad permissions."""

import http.client
import json
import os

from netlab import LabError, World, expect, run, scenario, until

HTTP = ("127.0.0.1", 8747)


def request(node, method, path, headers=None, close=True):
    """One HTTP request over TCP from inside the node's namespace."""
    connection = http.client.HTTPConnection(*HTTP, timeout=5)
    with node.ns.entered():
        connection.connect()
    connection.putrequest(method, path, skip_host=True)
    for name, value in {"Host": "127.0.0.1:8747", **(headers or {})}.items():
        if value is not None:
            connection.putheader(name, value)
    connection.endheaders()
    response = connection.getresponse()
    body = response.read()
    connection.close()
    return response, body


@scenario
def http_rules(lab):
    """Host and Origin are checked, TCP is read only, answers carry the right headers."""
    token_file = lab.path("token")
    with open(token_file, "w") as f:
        f.write("0123456789abcdef0123456789abcdef\n")
    os.chmod(token_file, 0o600)
    world = World(lab, hub_config={"http": ["token-file = " + token_file]}).start()
    hub = world.hub

    def code(method, path, **headers):
        return request(hub, method, path, {k.replace("_", "-"): v for k, v in headers.items()})[0].status

    for path in ("/api/v1/status", "/api/v1/peers", "/api/v1/routes", "/api/v1/nhrp", "/healthz",
            "/readyz"):
        expect(code("GET", path) == 200, "GET %s: %d" % (path, code("GET", path)))
    expect(code("GET", "/nothing") == 404, "GET /nothing")
    for host in ("localhost:8747", "127.0.0.1:8747", "[::1]:8747"):
        expect(code("GET", "/api/v1/status", Host=host) == 200, "Host: " + host)
    for host in ("evil.example", "evil.example:8747", "127.0.0.1.evil.example:8747", "127.0.0.1:1",
            None):
        expect(code("GET", "/api/v1/status", Host=host) in (400, 403), "Host: %s" % host)
    expect(code("GET", "/api/v1/status", Origin="http://127.0.0.1:8747") == 200, "own Origin")
    for origin in ("http://evil.example", "null", "https://127.0.0.1:8747", "http://127.0.0.1:1"):
        expect(code("GET", "/api/v1/status", Origin=origin) == 403, "Origin: " + origin)
    expect(code("GET", "/api/v1/status", Referer="http://evil.example/") == 403, "Referer")
    for method in ("POST", "PUT", "DELETE", "PATCH"):
        expect(code(method, "/api/v1/status") in (403, 405), method + " is not refused")
        expect(code(method, "/api/v1/reload") in (403, 404, 405), method + " reload by TCP")
    expect(code("HEAD", "/api/v1/status") == 200, "HEAD")

    response, _ = request(hub, "GET", "/api/v1/status")
    policy = response.getheader("Content-Security-Policy", "")
    expect("default-src 'none'" in policy, "CSP: " + policy)
    expect(response.getheader("X-Content-Type-Options") == "nosniff", "no nosniff")
    expect(response.getheader("Access-Control-Allow-Origin") is None, "CORS is open")

    # Peers' endpoints over TCP only with the token.
    def endpoints(**headers):
        _, body = request(hub, "GET", "/api/v1/peers", headers)
        return [p["endpoint"] for p in json.loads(body)["peers"] if p.get("endpoint")]

    expect(endpoints() == [], "endpoints without a token")
    expect(code("GET", "/api/v1/peers", Authorization="Bearer wrong") == 401, "a wrong token")
    expect(len(endpoints(Authorization="Bearer 0123456789abcdef0123456789abcdef")) == 2,
        "no endpoints with the token")

    _, page = request(hub, "GET", "/api/v1/peers?limit=1")
    first = json.loads(page)
    expect(len(first["peers"]) == 1 and first["next"] is not None, "limit=1: %s" % first)
    _, page = request(hub, "GET", "/api/v1/peers?limit=1&after=%d" % first["next"])
    expect(json.loads(page)["peers"][0]["name"] != first["peers"][0]["name"], "after= does not go on")


@scenario
def the_command(lab):
    """status, peers, routes, nhrp, ping: text and JSON, exit codes."""
    world = World(lab).start()
    world.make_direct()
    a = world.spokes["a"]
    for verb in ("status", "peers", "routes", "nhrp"):
        text = a.cli(verb).stdout
        expect(text.strip() and not text.startswith("{"), verb + " has no text")
        json.loads(a.cli(verb, "--json").stdout)
    expect("b" in a.cli("peers").stdout, "peers does not show b")
    expect(a.cli("ping", "hub", "-c", "2").returncode == 0, "ping hub")
    expect(a.cli("ping", "b", "-c", "2").returncode == 0, "ping b")
    expect(a.cli("ping", "nobody", "-c", "1", check=False).returncode == 1, "ping nobody")
    expect(a.cli("frobnicate", check=False).returncode == 2, "an unknown verb")
    expect(a.cli("status", "--frobnicate", check=False).returncode == 2, "an unknown option")
    a.stop()
    gone = a.cli("status", check=False)
    expect(gone.returncode == 1 and gone.stderr.strip(), "no daemon: exit %d" % gone.returncode)


@scenario
def reload(lab):
    """A wrong file keeps the running config and says so; a right one takes effect."""
    world = World(lab).start()
    a, hub = world.spokes["a"], world.hub
    with open(a.ini) as f:
        good = f.read()
    with open(a.ini, "w") as f:
        f.write(good.replace("prefix =", "prefx ="))
    done = a.cli("reload", check=False)
    expect(done.returncode == 1, "a wrong file was taken: " + done.stdout)
    said = done.stdout + done.stderr
    expect("warren.ini:" in said and "prefix" in said, "it does not say what is wrong: " + said)
    expect(a.ready() and a.ns.reachable("10.77.0.1"), "the running config is gone")
    expect(a.logged(r"not reloaded"), "nothing in the log")

    with open(a.ini, "w") as f:
        f.write(good.replace("prefix = 192.168.1.0/24", "prefix = 192.168.1.128/25"))
    a.cli("reload")
    prefixes = lambda: {e["prefix"] for e in hub.nhrp() if e["kind"] == "binding"}
    until("the new prefix is registered", lambda: "192.168.1.128/25" in prefixes(), 10)
    until("the old one is gone", lambda: "192.168.1.0/24" not in prefixes(), 10)


@scenario
def wrong_configs(lab):
    """file:line: what, expected what; a suggestion for a misspelt key; exit 1."""
    world = World(lab)
    a = world.spokes["a"]
    a.write_config()
    a.take_bundle()
    with open(a.ini) as f:
        good = f.read()
    cases = [
        ("port = 4754", "prot = 4754", "port"),
        ("port = 4754", "port = 99999", "65535"),
        ("prefix = 192.168.1.0/24", "prefix = 192.168.1.1/24", "prefix"),
        ("level = info", "level = loud", "info"),
        ("[udp]", "[upd]", "udp"),
    ]
    for old, new, wanted in cases:
        expect(old in good, "no %s in the config" % old)
        text = good.replace(old, new)
        line = text[:text.index(new)].count("\n") + 1
        with open(a.ini, "w") as f:
            f.write(text)
        done = a.ns.run(world.warrend, "-c", a.ini, check=False, timeout=10)
        said = done.stdout + done.stderr
        expect(done.returncode == 1, "%s: exit %d" % (new, done.returncode))
        expect("warren.ini:%d:" % line in said and wanted in said, "%s: %s" % (new, said))
        expect(TUN_GONE not in a.ns.links(), "a TUN was left behind")


TUN_GONE = "warren0"


@scenario
def key_permissions(lab):
    """A key that others can read stops the start."""
    world = World(lab)
    a = world.spokes["a"]
    a.write_config()
    a.take_bundle()
    for mode in (0o644, 0o640):
        os.chmod(a.file("key"), mode)
        done = a.ns.run(world.warrend, "-c", a.ini, check=False, timeout=10)
        said = done.stdout + done.stderr
        expect(done.returncode == 1 and a.file("key") in said, "mode %o: %s" % (mode, said))
    os.chmod(a.file("key"), 0o600)
    world.hub.start()
    a.start()
    until("a is registered", a.ready, 15)


@scenario
def a_clean_end(lab):
    """SIGTERM: exit 0, the interface and its routes gone, peers told at once."""
    world = World(lab).start()
    b = world.spokes["b"]
    world.make_direct()
    expect(b.stop() == 0, "exit status %d" % b.process.popen.returncode)
    expect("warren0" not in b.ns.links(), "the TUN stays")
    until("the hub knows", lambda: not (world.hub.peer("b") or {}).get("up"), 3)
    until("a knows", lambda: not world.spokes["a"].direct("b"), 3)
    try:
        b.status()
        raise LabError("the control socket still answers")
    except OSError:
        pass


if __name__ == "__main__":
    run()

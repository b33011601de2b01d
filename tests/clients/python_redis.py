"""Drives the server with the Python package `redis`, as an application would. Usage: python_redis.py BINARY"""

import itertools
import socket
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import contextmanager

import redis

READY_SECONDS = 10


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def certificate(directory):
    """Makes a certificate, signed by its owner; its file and that of its key."""
    files = [f"{directory}/tls.crt", f"{directory}/tls.key"]
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
                    "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-out", files[0], "-keyout", files[1]],
                   check=True, capture_output=True)
    return files


@contextmanager
def server(binary):
    """A server, its port, and the options of a client over TLS."""
    port, tls_port = free_port(), free_port()
    with tempfile.TemporaryDirectory(prefix="oxidis-client-") as directory:
        cert, key = certificate(directory)
        process = subprocess.Popen(
            [binary, "--port", str(port), "--save", "", "--dir", directory, "--tls-port", str(tls_port),
             "--tls-cert-file", cert, "--tls-key-file", key, "--tls-ca-cert-file", cert],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        )
        try:
            deadline = time.monotonic() + READY_SECONDS
            while True:
                try:
                    socket.create_connection(("127.0.0.1", port), 1).close()
                    break
                except OSError:
                    if process.poll() is not None or time.monotonic() > deadline:
                        sys.exit(f"{binary} did not start on port {port}")
                    time.sleep(0.02)
            yield port, {"port": tls_port, "ssl": True, "ssl_ca_certs": cert, "ssl_certfile": cert, "ssl_keyfile": key}
        finally:
            process.kill()
            process.wait()


def check_connection(client):
    assert client.ping() is True
    assert client.echo("hello") in ("hello", b"hello")
    assert client.client_setname("checker") is True
    assert client.client_getname() == "checker"
    assert client.info("server")["tcp_port"] > 0
    assert client.config_get("databases") == {"databases": "16"}


def check_strings_and_expiry(client):
    assert client.set("name", "value", ex=100) is True
    assert client.get("name") == "value"
    assert 90 < client.ttl("name") <= 100
    assert client.set("name", "other", nx=True) is None
    assert client.incrby("number", 41) == 41
    assert client.incrbyfloat("number", 0.5) == 41.5
    assert client.get("missing") is None
    assert client.mget("name", "missing") == ["value", None]
    assert client.delete("name", "missing") == 1
    try:
        client.set("text", "words")
        client.incr("text")
        raise AssertionError("INCR of a text must fail")
    except redis.ResponseError as error:
        assert "not an integer" in str(error)


def check_binary_values(port):
    with redis.Redis(port=port) as client:
        value = bytes(range(256)) * 1000
        client.set(b"\x00\r\n\xff", value)
        assert client.get(b"\x00\r\n\xff") == value


def check_pipeline(client):
    pipeline = client.pipeline(transaction=False)
    for number in range(10_000):
        pipeline.set(f"pipe:{number}", number)
        pipeline.get(f"pipe:{number}")
    replies = pipeline.execute()
    assert replies[0::2] == [True] * 10_000
    assert replies[1::2] == [str(number) for number in range(10_000)]
    assert sum(1 for _ in client.scan_iter(match="pipe:*", count=500)) == 10_000


def check_transactions(client):
    client.set("balance", 10)
    assert client.pipeline().incr("balance").incr("balance").execute() == [11, 12]

    def move(pipeline):
        current = int(pipeline.get("balance"))
        pipeline.multi()
        pipeline.set("balance", current * 2)

    assert client.transaction(move, "balance") == [True]
    with client.pipeline() as pipeline:
        pipeline.watch("balance")
        client.set("balance", 1)
        pipeline.multi()
        pipeline.set("balance", 2)
        try:
            pipeline.execute()
            raise AssertionError("EXEC must fail after a WATCHed key changed")
        except redis.WatchError:
            pass
    assert client.get("balance") == "1"


def check_publish_subscribe(client):
    subscriber = client.pubsub()
    subscriber.subscribe("news")
    subscriber.psubscribe("wea*")
    assert [subscriber.get_message(timeout=5)["type"] for _ in range(2)] == ["subscribe", "psubscribe"]
    sender = threading.Thread(target=lambda: [client.publish("news", "one"), client.publish("weather", "two")])
    sender.start()
    messages = [subscriber.get_message(timeout=5) for _ in range(2)]
    sender.join()
    assert [(m["type"], m["channel"], m["data"]) for m in messages] == [
        ("message", "news", "one"), ("pmessage", "weather", "two"),
    ]
    subscriber.close()


def main():
    checks = [check_connection, check_strings_and_expiry, check_pipeline, check_transactions,
              check_publish_subscribe]
    protocols = [2, 3] if redis.VERSION >= (5,) else [2]
    with server(sys.argv[1]) as (port, over_tls):
        for protocol, options in itertools.product(protocols, [{"port": port}, over_tls]):
            name = f"RESP{protocol}{' over TLS' if options is over_tls else ''}"
            options = options | ({"protocol": protocol} if len(protocols) > 1 else {})
            for check in checks:
                with redis.Redis(decode_responses=True, **options) as client:
                    client.flushall()
                    check(client)
                    print(f"ok: {name}: {check.__name__.removeprefix('check_')}", flush=True)
        check_binary_values(port)
        print("ok: binary_values")
    if protocols == [2]:
        print(f"RESP3 not checked: the package redis {redis.__version__} is older than 5")
    print(f"the Python package redis {redis.__version__} works against {sys.argv[1]}")


if __name__ == "__main__":
    main()

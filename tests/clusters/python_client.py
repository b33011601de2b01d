"""The cluster client of the Python package redis, as the writers use one."""

import threading

import redis
from nodes import Refused
from redis.backoff import NoBackoff
from redis.cluster import ClusterNode, RedisCluster
from redis.retry import Retry
from writers import ANSWER_SECONDS, CONFIRM_MS

# What the last answer of a thread came on: only there WAIT says something about the write before.
LAST = threading.local()


def note_connections():
    read = redis.connection.Connection.read_response

    def read_and_note(connection, *arguments, **options):
        LAST.connection = connection
        return read(connection, *arguments, **options)

    redis.connection.Connection.read_response = read_and_note


note_connections()


class PythonClient:
    """It repeats nothing whose outcome it does not know; redirections it follows by itself."""

    def __init__(self, addresses):
        self.nodes = [ClusterNode(*address) for address in addresses]
        self.client = None

    def close(self):
        if self.client is not None:
            self.client.close()

    def call(self, key, *words):
        try:
            if self.client is None:
                self.client = RedisCluster(
                    startup_nodes=self.nodes, retry=Retry(NoBackoff(), 0), socket_timeout=ANSWER_SECONDS,
                    socket_connect_timeout=ANSWER_SECONDS, require_full_coverage=False, protocol=2,
                )
        except Exception as error:
            raise Refused(f"no client: {error}") from error
        try:
            reply = self.client.execute_command(*words)
            return reply, (LAST.connection, LAST.connection._sock)
        except redis.ResponseError as error:
            raise Refused(str(error)) from error
        except Exception as error:
            # Its own errors follow from those of connections.
            raise OSError(f"{type(error).__name__}: {error}") from error

    def confirm(self, came_on):
        connection, sock = came_on
        try:
            if sock is None or connection._sock is not sock:
                return False
            connection.send_command("WAIT", 1, CONFIRM_MS)
            return connection.read_response() >= 1 and connection._sock is sock
        except redis.RedisError as error:
            connection.disconnect()
            raise OSError(str(error)) from error

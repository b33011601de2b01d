"""Requests as bytes."""


def encoded(words):
    """A request of these words, each of which is bytes, or is written as text."""
    words = [word if isinstance(word, bytes) else str(word).encode() for word in words]
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words)

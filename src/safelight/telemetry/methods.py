"""HTTP's methods, and one word for whatever else a stranger may write in their place."""

METHODS = frozenset({"GET", "POST", "DELETE", "HEAD", "PUT", "PATCH", "OPTIONS"})
OTHER = "other"


def known(method: str) -> str:
    return method if method in METHODS else OTHER

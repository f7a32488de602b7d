"""Finds out within seconds whether a host takes connections. Libraries would try again for half a minute."""

import socket
from http.client import HTTPException
from queue import Empty, Queue
from threading import Thread
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass, urlopen

SECONDS = 4.0
"""Seconds without a connection after which a host counts as down."""
PORTS = {"http": 80, "https": 443}


def why_unreachable(url: str, seconds: float = SECONDS) -> str | None:
    """Says why this machine cannot connect to the host of an address. None if it can.

    Behind a proxy only the proxy knows the address, so the proxy is tried.

    Args:
        url: an address that begins with http:// or https://.
        seconds: the longest that this takes, looking up the name of the host included.
    """
    host, port = _place(url)
    outcome: Queue[str | None] = Queue()
    # A name server that does not answer can't be given up on but from another thread.
    Thread(target=lambda: outcome.put(_connect(host, port, seconds)), daemon=True).start()
    try:
        return outcome.get(timeout=seconds)
    except Empty:
        return f"{host} does not answer within {seconds:g} s"


def why_silent(url: str, seconds: float = SECONDS) -> str | None:
    """Says why nothing replies to a request for an address. None if anything replies, whatever the reply is.

    Args:
        url: an address that begins with http:// or https://.
        seconds: the longest that the reply may take, once there is a connection.
    """
    if why := why_unreachable(url, seconds):
        return why
    try:
        urlopen(url, timeout=seconds).close()
    except HTTPError:
        return None  # a refusal is a reply
    except (OSError, HTTPException) as error:
        if isinstance(error, TimeoutError) or isinstance(getattr(error, "reason", None), TimeoutError):
            return f"{urlsplit(url).hostname} does not reply within {seconds:g} s"
    return None  # it takes connections: whoever asks in earnest says what is wrong with the rest


def _place(url: str) -> tuple[str, int]:
    """Host and port to which a request for an address goes first."""
    parts = urlsplit(url)
    host, proxies = parts.hostname or "", getproxies()
    proxy = proxies.get(parts.scheme) or proxies.get("all")
    if proxy and not proxy_bypass(host):
        parts = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
    return parts.hostname or "", parts.port or PORTS.get(parts.scheme, 1080)


def _connect(host: str, port: int, seconds: float) -> str | None:
    try:
        with socket.create_connection((host, port), timeout=seconds):
            return None
    except socket.gaierror:
        return f"the address of {host} is not known"
    except TimeoutError:
        return f"{host} does not answer within {seconds:g} s"
    except OSError as error:
        return f"{host} takes no connection: {error.strerror or error}"

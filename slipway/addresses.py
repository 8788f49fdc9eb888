"""Addresses that settings may name: https, and http only on this machine. Pure."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

#: Azure's own address for talking to its machines, public by its number alone.
_AZURE_HOST = ipaddress.ip_address("168.63.129.16")


def is_loopback(host: str) -> bool:
    """Whether a URL's host is this machine by its spelling alone: `localhost`, `127.0.0.0/8` or `::1`."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def token_url(text: str) -> str:
    """Read an endpoint that is sent tokens: the SDKs refuse to send one over plain http, even on loopback."""
    return _url(text, plain_loopback=False)


def link_url(text: str) -> str:
    """Read an address that is sent no token: https, or http on loopback."""
    return _url(text, plain_loopback=True)


def _url(text: str, *, plain_loopback: bool) -> str:
    parts = urlsplit(text)
    if not parts.hostname or parts.username is not None or parts.query or parts.fragment:
        raise ValueError("must be a URL with a host and without user, query or fragment, such as https://host/path")
    if parts.scheme != "https" and not (plain_loopback and parts.scheme == "http" and is_loopback(parts.hostname)):
        raise ValueError("must begin with https://" + (" (http:// only to a loopback host)" if plain_loopback else ""))
    return text.rstrip("/")


def is_refused(address: str, *, loopback_named: bool) -> bool:
    """Whether an address is never a receiver of incidents, however its name came to point there.

    Link-local ones (cloud metadata among them), unspecified, multicast and reserved ones are refused always, loopback
    unless the configured URL names it. Private ones are allowed: the URL is the operator's, and many receivers are.
    """
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped:
        ip = ip.ipv4_mapped
    if ip.is_loopback:
        return not loopback_named
    return ip.is_link_local or ip.is_unspecified or ip.is_multicast or ip.is_reserved or ip == _AZURE_HOST

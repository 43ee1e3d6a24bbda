"""Which database a connection leads to, as its server says."""

from __future__ import annotations

import socket

from django.db.backends.base.base import BaseDatabaseWrapper

_WHERE = {
    "postgresql": "SELECT current_database(), host(inet_server_addr())",
    "mysql": "SELECT database(), @@hostname",
}


def whereabouts(connection: BaseDatabaseWrapper) -> tuple[str, str]:
    """Return the name of a database, and that of its host, or ``""`` for this machine.

    Settings need not say them: a service or a file of options may.
    """
    settings = connection.settings_dict
    name, host = str(settings["NAME"] or ""), str(settings["HOST"] or "")
    if (name and host) or connection.vendor not in _WHERE:
        return name, host
    with connection.cursor() as cursor:
        cursor.execute(_WHERE[connection.vendor])
        found_name, found_host = cursor.fetchone()
    is_here = found_host in (None, "", socket.gethostname())
    return found_name, host or ("" if is_here else found_host)

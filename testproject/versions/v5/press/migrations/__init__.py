"""The migrations that release 5.0 brought, after those of the releases before."""

from versions.history import directories

__path__ = directories(__path__)

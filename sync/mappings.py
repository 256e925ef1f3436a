"""The mapping files of sites: a version that a run has used never changes again."""

from connectors.base import SiteMapping
from connectors.errors import ConfigurationError
from sync import clock, flows
from sync.models import MappingVersion


def in_use(connection: str) -> SiteMapping | None:
    """The mapping file the connection uses; None for connectors that bring their own mapping."""
    found = flows.connection(connection)
    return found.connector.mapping(found.settings) if found.connector.mapping else None


def note(connection: str) -> None:
    """Called before a run reads: the version is written down at its first use, and compared at every other.

    Raises ConfigurationError when the file says something else under a number that was used before.
    """
    mapping = in_use(connection)
    if mapping is None:
        return
    stored, _ = MappingVersion.objects.get_or_create(
        connection=connection,
        site=mapping.site,
        version=mapping.version,
        defaults={"digest": mapping.digest, "content": mapping.content, "first_used_at": clock.now()},
    )
    if stored.digest != mapping.digest:
        raise ConfigurationError(
            f"{connection}: the mapping file of site {mapping.site} was changed, but is still version "
            f"{mapping.version}, which ran first on {stored.first_used_at:%d %B %Y}.",
            system=connection,
            remedy="Raise the version in the file; a version that was used never changes.",
        )

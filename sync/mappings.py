"""Which mapping a run uses: the mapping file of a site, whose used versions never change again, and the version of the
site's own fields, which a run keeps from its first page to its last."""

from connectors.base import SiteMapping
from connectors.errors import ConfigurationError
from sync import clock, flows
from sync.flows import Route
from sync.models import FieldMapping, MappingVersion
from sync.runs import Lease


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


def kept_by(lease: Lease) -> FieldMapping | None:
    """The version of the site's own fields that this run began with; the one in force when it begins now."""
    run = lease.run
    return run.field_mapping if run.mapping_version else flows.active_fields(run.flow)


def remember(lease: Lease, route: Route, fields: FieldMapping | None) -> None:
    """Writes down what the run maps with, once. Where a new release or mapping file came in mid-run, both are named."""
    run, now = lease.run, route.version
    if not run.mapping_version:
        lease.change(mapping_version=now[:200], field_mapping=fields)
    elif run.mapping_version.rpartition(" → ")[2] != now[:200]:
        lease.change(mapping_version=f"{run.mapping_version} → {now}"[:200])

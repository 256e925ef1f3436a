"""Site mapping files on disk, and the rule that a version never changes once it was used."""

from collections.abc import Mapping
from pathlib import Path

from connectors.errors import ConfigurationError
from connectors.prima import site_text
from connectors.prima.site_text import SiteFile

ASSUMED = Path(__file__).parent / "sites" / "assumed.yaml"


def load(path: str) -> SiteFile:
    """The file at this path; empty means the assumed contract. Raises ConfigurationError."""
    file = Path(path) if path else ASSUMED
    try:
        content = file.read_bytes()
    except OSError as error:
        raise ConfigurationError(
            f"The mapping file {file.name} cannot be read ({error.strerror}).",
            remedy="Set MAPPING_FILE to the site's mapping file, or leave it empty for the assumed contract.",
        ) from error
    return site_text.read(content, file.name)


def check_unchanged(name: str, version: int, sha256: str, used: Mapping[tuple[str, int], str]) -> None:
    """Refuses a file whose (site, version) was used before with other content: versions are immutable (contract 8).

    `used` is the sha256 of each (site, version) that a run has used; the caller keeps it and adds to it after
    this returned. Raises ConfigurationError.
    """
    known = used.get((name, version))
    if known and known != sha256:
        raise ConfigurationError(
            f"Version {version} of the mapping {name} was used before with other content "
            f"({known[:12]}, now {sha256[:12]}).",
            remedy="Give the changed file the next version number: a version is never changed once it was used.",
        )

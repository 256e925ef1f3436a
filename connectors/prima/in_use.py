"""The mapping file as the console sees it: which one is in use, and what one would make of a captured reply."""

from pathlib import Path

from connectors.base import Settings, SiteMapping, Trial
from connectors.errors import ConfigurationError, UnexpectedReplyError
from connectors.prima import site_files, site_text, trial
from connectors.prima.site_text import SiteFile

ENTITIES = ("customer", "consent", "order", "credit", "despatch", "stock", "available")
"""What a captured reply may hold."""


def mapping(settings: Settings) -> SiteMapping:
    """The connection's own. Raises ConfigurationError for a file that is no mapping."""
    path = settings.text("MAPPING_FILE")
    found = site_files.load(path)
    content = (site_files.ASSUMED if not path else Path(path)).read_text(encoding="utf-8", errors="replace")
    return _described(found, content)


def attempt(settings: Settings, content: bytes | None, reply: bytes, entity: str) -> Trial:
    """What a mapping (the one in use without `content`) makes of a reply. Calls nothing, keeps nothing."""
    own = site_files.load(settings.text("MAPPING_FILE"))
    tried = site_text.read(content, "that was uploaded") if content is not None else own
    if entity not in ENTITIES:
        raise ConfigurationError(f"Prima knows no {entity}.", remedy=f"Choose one of {', '.join(ENTITIES)}.")
    report = trial.test_mapping(tried, reply, entity)
    if report.problem:
        remedy = "Capture the reply again, as the service sent it."
        raise UnexpectedReplyError(report.problem, system=settings.connection, remedy=remedy)
    filled = {name: report.filled[name] for name in report.of}
    parked = [(key, error.field, error.message) for key, error in report.parked]
    return Trial(_described(tried, ""), report.records, filled, report.unmapped, parked)


def _described(found: SiteFile, content: str) -> SiteMapping:
    return SiteMapping(found.site.site, str(found.site.version), found.sha256, content)

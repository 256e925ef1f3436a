"""Settings with a form of their own: one word of few, a list, pairs. What they do not know is never guessed at."""

from collections.abc import Collection, Mapping

from connectors.base import Settings
from connectors.errors import ConfigurationError


def wrong(settings: Settings, name: str, what: str) -> ConfigurationError:
    variable = f"{settings.connection.upper().replace('-', '_')}_{name}"
    return ConfigurationError(
        f"{settings.connection}: {name} {what}",
        system=settings.connection,
        remedy=f"Correct {variable} in the environment.",
    )


def one_of(settings: Settings, name: str, *allowed: str) -> str:
    value = settings.text(name)
    if value in allowed:
        return value
    raise wrong(settings, name, f"is {value!r}, which is not one of {', '.join(allowed)}.")


def listed(settings: Settings, name: str, allowed: Collection[str]) -> list[str]:
    """Comma separated names, each of them known and given once."""
    names = [part.strip() for part in settings.text(name).split(",") if part.strip()]
    unknown = [one for one in names if one not in allowed]
    if unknown:
        raise wrong(settings, name, f"names {', '.join(unknown)}; choose from {', '.join(allowed)}.")
    if len(set(names)) < len(names):
        raise wrong(settings, name, "names something twice.")
    return names


def pairs(settings: Settings, name: str, allowed: Collection[str]) -> Mapping[str, str]:
    """`known=theirs,known=theirs`; an empty right side means that there is none."""
    parts = [part.partition("=") for part in settings.text(name).split(",") if part.strip()]
    found = {left.strip(): right.strip() for left, _, right in parts}
    unknown = [left for left in found if left not in allowed]
    if unknown:
        raise wrong(settings, name, f"names {', '.join(unknown)}; choose from {', '.join(allowed)}.")
    return found

"""Every address of the console, found by walking its URL configuration."""

from collections.abc import Iterator
from typing import Any

from django.contrib import admin
from django.urls import URLPattern, URLResolver, reverse


def names(patterns: Any = None) -> Iterator[str]:
    for pattern in admin.site.urls[0] if patterns is None else patterns:
        if isinstance(pattern, URLResolver):
            yield from names(pattern.url_patterns)
        elif isinstance(pattern, URLPattern) and pattern.name:
            yield pattern.name


def address(name: str, arguments: dict[str, object]) -> str:
    return reverse(f"admin:{name}", kwargs=arguments or None)

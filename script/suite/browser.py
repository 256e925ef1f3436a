"""A system Chromium for the browser tests: named in CHROMIUM, found, or installed where the machine allows it."""

from __future__ import annotations

import os
from pathlib import Path

from system import MissingError, find_program, install

PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "Google Chrome", "Chromium")
FOLDERS = ("/Applications/Google Chrome.app/Contents/MacOS", "/Applications/Chromium.app/Contents/MacOS", "/snap/bin")


def chromium() -> Path:
    """The program's path; raises MissingError."""
    given = os.environ.get("CHROMIUM", "")
    if given:
        return Path(given)
    found = find_program(PROGRAMS, FOLDERS)
    if found is None and install("chromium", "the browser tests drive a real browser"):
        found = find_program(PROGRAMS, FOLDERS)
    if found is None:
        raise MissingError(
            "no Chromium or Chrome was found (set CHROMIUM to its path), and it cannot be installed from here"
        )
    return found

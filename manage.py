#!/usr/bin/env python
"""Django's command line, for Integration Console."""

import os
import sys

from django.core.management import execute_from_command_line

from integration_console.memory import keep_few_arenas

if __name__ == "__main__":
    keep_few_arenas()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "integration_console.settings")
    execute_from_command_line(sys.argv)

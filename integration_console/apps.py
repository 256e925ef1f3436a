"""Makes the console the default admin site."""

from django.contrib.admin import apps


class ConsoleAdminConfig(apps.AdminConfig):
    default_site = "sync.site.ConsoleSite"

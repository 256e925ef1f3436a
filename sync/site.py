"""The admin site that is the console."""

from django.contrib import admin


class ConsoleSite(admin.AdminSite):
    site_header = site_title = "Integration Console"
    index_title = "Overview"

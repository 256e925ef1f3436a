"""The entity sets of the environment, by subject (dynamics365.md 4)."""

"""HTTP entries that are no screens."""

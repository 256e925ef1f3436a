"""Performance against peers, as ratios of one run. Nothing here is imported by the product."""

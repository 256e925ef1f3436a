"""The demo company on one machine: what it keeps, what runs, and the story it tells."""

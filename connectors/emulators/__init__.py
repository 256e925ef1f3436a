"""The external systems as real HTTP servers with state: for demo, tests and rehearsal, never for production."""

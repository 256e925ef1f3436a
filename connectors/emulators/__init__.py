"""The external systems as real HTTP servers with state: for the demo, the tests and rehearsals, never for production."""

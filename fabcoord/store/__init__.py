"""Ground floor: database connections, migrations, the event outbox, content-addressed blobs."""

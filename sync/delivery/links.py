"""The columns of a link that a delivery writes."""

from sync import storage
from sync.models import CrossReference

LINKS = storage.table(
    CrossReference,
    [
        "flow_id",
        "source_id",
        "target_id",
        "state",
        "target_key",
        "raw_digest",
        "sent_digest",
        "email_digest",
        "first_synced_at",
        "last_synced_at",
    ],
    conflict=("flow_id", "source_id"),
    condition="NOT (state = 'superseded')",
    update=(
        "target_id",
        "state",
        "target_key",
        "raw_digest",
        "sent_digest",
        "email_digest",
        "last_synced_at",
    ),
)

"""After a change of a site's own fields one run reads everything, whatever its source lists as changed: a record that
nobody has edited since would otherwise keep what the version before made of it."""

from sync import backfills, plans
from sync.catalogue import RunState
from sync.models import FieldMapping, Flow, SyncRun
from sync.runs import Lease


def with_fields(lease: Lease, fields: FieldMapping | None) -> None:
    """Called before a run reads its first page. From where somebody told a run to start, it starts."""
    run = lease.run
    if run.mapping_version or not run.watermark_from or not _follows_the_source(run):
        return
    if _read_with(run.flow) != (fields.pk if fields else None):
        lease.change(watermark_from="", full=True)


def _follows_the_source(run: SyncRun) -> bool:
    """Whether it goes on where the flow's last run ended."""
    chosen = run.keys_only or run.trigger == backfills.TRIGGER or (run.plan_id and not plans.is_preview(run))
    now = Flow.objects.values_list("watermark", flat=True).get(pk=run.flow_id)
    return not chosen and run.watermark_from == now


def _read_with(flow: Flow) -> int | None:
    """The version of the fields with which everything was last read."""
    done = SyncRun.objects.filter(flow=flow, kind="sync", state=RunState.COMPLETED, parent=None, keys_only=False)
    whole = done.filter(watermark_from="").exclude(trigger=backfills.TRIGGER)
    return whole.order_by("-id").values_list("field_mapping_id", flat=True).first()

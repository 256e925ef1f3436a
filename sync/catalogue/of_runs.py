"""The kinds that speak of runs: one waits, stops, fails, does not begin, or dies of a record."""

from sync.catalogue.kinds import Kind
from sync.catalogue.states import Team

OF_RUNS = (
    Kind(
        "breaker_tripped",
        "Stopped by a breaker",
        Team.OPERATIONS,
        "A run was about to do far more than usual. It stopped before that left the console, and its flow is paused; "
        "nothing is lost, and no other flow is affected.",
        "Open the flow: its page says what was seen, what is usual and what was prevented, and lets you resume it.",
        "Retry does not help. The next complete run closes this by itself.",
    ),
    Kind(
        "run_unavailable",
        "System does not answer",
        Team.OPERATIONS,
        "A system did not answer or asked to wait. The run waits and tries again by itself; nothing is lost.",
        "If it lasts, check the system's status page.",
        "The next successful run closes this by itself.",
    ),
    Kind(
        "run_configuration",
        "Connection refused",
        Team.OPERATIONS,
        "A system refused our credentials or a setting is missing. The flow stands still until this is corrected.",
        "Correct the setting that is named, then press Run now.",
        "The next successful run closes this by itself.",
    ),
    Kind(
        "run_unexpected",
        "Reply not understood",
        Team.OPERATIONS,
        "A system answered in a form that we do not know. The run stopped so that nothing is damaged.",
        "Show the reply below to the system's administrator or to us.",
        "The next successful run closes this by itself.",
    ),
    Kind(
        "flow_late",
        "Flow did not start",
        Team.OPERATIONS,
        "The flow was due by its schedule and nobody has started it: what changes in the ERP does not arrive.",
        "Look at Workers: when none is alive, start one (script/worker).",
        "It closes by itself as soon as the flow starts.",
    ),
    Kind(
        "poison_record",
        "Record that stops its worker",
        Team.OPERATIONS,
        "The worker died each time it came to this record, so the record is left out; all others go through.",
        "Look at the record in the ERP for something very large or damaged, and at the worker's log (memory).",
        "Yes, once the record has been corrected: until then it is left out without being touched.",
    ),
    Kind(
        "run_lost",
        "Run given up",
        Team.OPERATIONS,
        "The run's worker died several times at the same place.",
        "Look at the worker's log, then press Run now.",
        "The next successful run closes this by itself.",
    ),
)

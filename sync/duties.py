"""What one process does for all: taken in the database, on its clock, so that there may be any number of candidates."""

from datetime import datetime, timedelta

from django.db.models import Q

from sync import clock
from sync.models import Duty


def take(name: str, holder: str, seconds: float) -> bool:
    """Whether the holder has the duty for so many seconds from now: as it had it, or nobody has."""
    now = clock.now()
    Duty.objects.get_or_create(name=name)
    far = now + timedelta(seconds=2 * seconds)  # promised by a clock that was ahead
    free = Q(holder=holder) | Q(until=None) | Q(until__lt=now) | Q(until__gt=far)
    return bool(Duty.objects.filter(free, name=name).update(holder=holder, until=now + timedelta(seconds=seconds)))


def give_back(name: str, holder: str) -> None:
    Duty.objects.filter(name=name, holder=holder).update(until=None, holder="")


def holder(name: str) -> str:
    """Who has it now; empty when nobody has."""
    found = Duty.objects.filter(name=name, until__gte=clock.now()).first()
    return found.holder if found else ""


def serve(name: str, due: datetime) -> bool:
    """Whether the caller is the one who serves this due time. A duty nobody has ever served begins with the next."""
    _, new = Duty.objects.get_or_create(name=name, defaults={"done_until": due})
    if new:
        return False
    waiting = Q(done_until=None) | Q(done_until__lt=due) | Q(done_until__gt=clock.now())  # a clock that was ahead
    return bool(Duty.objects.filter(waiting, name=name).update(done_until=due))


def turn(name: str, seconds: float) -> bool:
    """Whether it is somebody's turn again, this long after the last; the caller is the one."""
    now = clock.now()
    Duty.objects.get_or_create(name=name)
    waited = Q(done_until=None) | Q(done_until__lte=now - timedelta(seconds=seconds)) | Q(done_until__gt=now)
    return bool(Duty.objects.filter(waited, name=name).update(done_until=now))

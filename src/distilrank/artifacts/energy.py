"""The energy that the processors of a machine took, where the kernel tells it: the counters of powercap (RAPL)."""

from pathlib import Path

POWERCAP = Path("/sys/class/powercap")


class EnergyMeter:
    """Adds up the joules of all processors from its making on. Others' work on the machine counts as well.

    A counter begins again at zero within minutes to hours: `joules` must be asked for more often.
    """

    def __init__(self, root: Path = POWERCAP) -> None:
        # A domain with a second colon is part of a processor, whose own counter has it already.
        self._domains = [zone for zone in sorted(root.glob("*-rapl:*")) if zone.name.count(":") == 1]
        self._last = {zone: _microjoules(zone) for zone in self._domains}
        self._sum = 0

    def joules(self) -> float | None:
        """So far; None where the machine does not tell, or not to this user."""
        if not self._last or None in self._last.values():
            return None
        for zone, before in self._last.items():
            now = _microjoules(zone)
            if now is None or before is None:
                return None
            self._sum += now - before if now >= before else now - before + _range(zone)
            self._last[zone] = now
        return self._sum / 1e6


def _microjoules(zone: Path) -> int | None:
    try:
        return int((zone / "energy_uj").read_text())
    except OSError:
        return None


def _range(zone: Path) -> int:
    return int((zone / "max_energy_range_uj").read_text())

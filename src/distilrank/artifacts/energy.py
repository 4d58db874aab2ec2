"""The energy that a machine's processors took, from the kernel's powercap counters (RAPL), where they exist."""

from pathlib import Path

POWERCAP = Path("/sys/class/powercap")


class EnergyMeter:
    """Adds up the joules of all processors since its creation. Other work on the machine counts as well.

    A counter wraps to zero within minutes to hours, so `joules` must be read more often than that.
    """

    def __init__(self, root: Path = POWERCAP) -> None:
        # A domain with a second colon is part of a processor, whose counter includes it.
        self._domains = [zone for zone in sorted(root.glob("*-rapl:*")) if zone.name.count(":") == 1]
        self._last = {zone: _microjoules(zone) for zone in self._domains}
        self._sum = 0

    def joules(self) -> float | None:
        """The joules so far. None where the machine does not measure them, or does not let this user read them."""
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

"""The addresses and credentials of the stack's servers. The file .stack/environment keeps them for later starts.

Shells read it too. Only this file holds the secrets, and only its owner can read it. No command, log or output shows
them.
"""

import os
import secrets
from collections.abc import Callable
from dataclasses import astuple, dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from distilrank.errors import InputError

STACK = Path(".stack")
ENVIRONMENT = STACK / "environment"
PORTS = "DISTILRANK_STACK_PORTS"


class StackError(InputError):
    """The stack cannot start, or did not start."""


@dataclass(frozen=True)
class Ports:
    prefect: int = 4200
    mlflow: int = 5000
    s3: int = 9000

    @classmethod
    def asked(cls) -> "Ports | None":
        """The ports that the environment asks for. Raises StackError for anything but three numbers."""
        if not (given := os.environ.get(PORTS)):
            return None
        numbers = given.split(",")
        if len(numbers) != 3 or not all(number.isdigit() and 0 < int(number) < 65536 for number in numbers):
            raise StackError(
                PORTS, got=f"'{given}'", expected="three ports, such as 4200,5000,9000", remedy="correct it"
            )
        return cls(*map(int, numbers))

    def __str__(self) -> str:
        return ",".join(map(str, astuple(self)))


def random(prefix: str = "") -> Callable[[], str]:
    return lambda: prefix + secrets.token_hex(24)


@dataclass(frozen=True)
class Access:
    ports: Ports
    prefect: str = field(default_factory=random("stack:"), repr=False)  # user:password
    s3_key: str = field(default_factory=random(), repr=False)
    s3_secret: str = field(default_factory=random(), repr=False)

    def variables(self) -> dict[str, str]:
        """The variables that a shell needs to use the stack."""
        return {
            "PREFECT_API_URL": f"{self.address(self.ports.prefect)}/api",
            "PREFECT_API_AUTH_STRING": self.prefect,
            "MLFLOW_TRACKING_URI": self.address(self.ports.mlflow),
            "AWS_ENDPOINT_URL": self.address(self.ports.s3),
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": self.s3_key,
            "AWS_SECRET_ACCESS_KEY": self.s3_secret,
        }

    @staticmethod
    def address(port: int) -> str:
        return f"http://127.0.0.1:{port}"

    def keep(self) -> None:
        """Writes the whole file at once; only its owner can read it, from the first byte on."""
        partial = ENVIRONMENT.with_suffix(".partial")
        partial.unlink(missing_ok=True)
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write("".join(f"{key}={value}\n" for key, value in self.variables().items()))
        partial.replace(ENVIRONMENT)

    @classmethod
    def kept(cls) -> "Access | None":
        """The access that the file holds, or None if something is missing."""
        if not ENVIRONMENT.exists():
            return None
        lines = ENVIRONMENT.read_text(encoding="utf-8").splitlines()
        known = dict(line.split("=", maxsplit=1) for line in lines if "=" in line)
        try:
            addresses = (known[name] for name in ("PREFECT_API_URL", "MLFLOW_TRACKING_URI", "AWS_ENDPOINT_URL"))
            ports = Ports(*(urlsplit(address).port or 0 for address in addresses))
            keys = ("PREFECT_API_AUTH_STRING", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
            return cls(ports, *(known[key] for key in keys))
        except (KeyError, ValueError):
            return None

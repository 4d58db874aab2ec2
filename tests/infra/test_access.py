"""Where the stack's servers are and what opens them, as the file for shells keeps it."""

from pathlib import Path

import pytest
from infra.access import ENVIRONMENT, PORTS, STACK, Access, Ports, StackError

pytestmark = pytest.mark.slow(15)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    STACK.mkdir()


def test_it_comes_back_as_it_was_kept_for_its_owner_alone() -> None:
    ENVIRONMENT.write_text("of before")
    ENVIRONMENT.chmod(0o644)
    access = Access(Ports(1, 2, 3))
    access.keep()
    assert Access.kept() == access
    assert ENVIRONMENT.stat().st_mode & 0o777 == 0o600
    assert [file.name for file in STACK.iterdir()] == [ENVIRONMENT.name]


def test_secrets_are_random_and_not_shown() -> None:
    one, other = Access(Ports()), Access(Ports())
    secrets = {one.prefect, one.s3_key, one.s3_secret, other.prefect, other.s3_key, other.s3_secret}
    assert len(secrets) == 6 and min(map(len, secrets)) >= 48
    assert not [secret for secret in secrets if secret in f"{one}{other!r}"]


@pytest.mark.parametrize("missing", ["PREFECT_API_URL", "PREFECT_API_AUTH_STRING", "AWS_SECRET_ACCESS_KEY"])
def test_a_file_that_says_only_a_part_is_none(missing: str) -> None:
    access = Access(Ports())
    access.keep()
    lines = ENVIRONMENT.read_text().splitlines(keepends=True)
    ENVIRONMENT.write_text("".join(line for line in lines if not line.startswith(missing)))
    assert Access.kept() is None


@pytest.mark.parametrize("wrong", ["4200", "a,b,c", "1,2,70000", "0,1,2"])
def test_ports_are_three_numbers(wrong: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PORTS, wrong)
    with pytest.raises(StackError, match=f"DISTILRANK_STACK_PORTS: got '{wrong}', expected three ports"):
        Ports.asked()
    monkeypatch.setenv(PORTS, "4201,5001,9001")
    assert str(Ports.asked()) == "4201,5001,9001"
    monkeypatch.setenv(PORTS, "")
    assert Ports.asked() is None

"""A stack without containers: Prefect's and MLflow's servers, an S3 server and a worker, as processes of this machine.

`python -m infra.stack up`, from the root of the project, starts them under a supervisor, with their data below .stack/.
`down` ends exactly those processes. All listen only on 127.0.0.1, on the ports in DISTILRANK_STACK_PORTS (Prefect,
MLflow, S3), or else on those of the last start.
"""

import fcntl
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import astuple, dataclass, replace
from pathlib import Path

import httpx
from flows.command import PipelineError
from flows.graph import default_remote

from distilrank.workers.leash import Leash
from infra.access import ENVIRONMENT, PORTS, STACK, Access, Ports, StackError

DEPLOYMENTS, DEPLOYED = Path("prefect.yaml"), STACK / "prefect.yaml"
LOCK, TURN = STACK / "supervisor.lock", STACK / "up.lock"
POOL, BUCKET, REMOTE = "distilrank", "distilrank", "stack"
_SECONDS_TO_START, _SECONDS_TO_END = 120, 30
_END_IT = "end it: make stack-down"
# Seconds between a service's end and its next start. The pause doubles from the first value up to the second.
_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 30.0


@dataclass(frozen=True)
class Service:
    """A process that the supervisor keeps running, and the address where it answers once it is up."""

    name: str
    command: tuple[str, ...]
    health: str | None


def services(access: Access) -> list[Service]:
    """The services, in the order in which they start."""
    python, home, ports = sys.executable, str(Path(sys.executable).parent), access.ports
    urls = access.variables()
    host = ("--host", "127.0.0.1")
    mlflow = (
        *(python, "-m", "mlflow", "server", *host, "--port", str(ports.mlflow), "--workers", "1"),
        *("--backend-store-uri", f"sqlite:///{(STACK / 'mlflow' / 'mlflow.db').absolute()}"),
        *("--artifacts-destination", f"s3://{BUCKET}/mlflow"),
        *("--allowed-hosts", ",".join(hosts(ports.mlflow))),
    )
    prefect = (f"{home}/prefect", "server", "start", *host, "--port", str(ports.prefect))
    worker = (f"{home}/prefect", "worker", "start", "--pool", POOL, "--type", "process")
    store = (python, "-m", "infra.object_store", str(STACK / "s3"), str(ports.s3))
    return [
        Service("s3", store, f"{urls['AWS_ENDPOINT_URL']}/"),
        Service("mlflow", mlflow, f"{urls['MLFLOW_TRACKING_URI']}/health"),
        Service("prefect", prefect, f"{urls['PREFECT_API_URL']}/health"),
        Service("worker", worker, None),
    ]


def hosts(port: int) -> list[str]:
    """The names by which a browser on this machine may call a server."""
    return [f"127.0.0.1:{port}", f"localhost:{port}"]


def environment(access: Access) -> dict[str, str]:
    """The environment of the services. It has no settings of other servers. Secrets are here: commands show in `ps`."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("PREFECT_", "MLFLOW_", "AWS_"))}
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    return {
        **kept,
        **access.variables(),
        "PATH": path,
        "MLFLOW_S3_ENDPOINT_URL": access.variables()["AWS_ENDPOINT_URL"],
        "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
        # Job execution would start ten more processes, and rankers do not use it.
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        # As long as a command waits for a file, since one link serves the whole download.
        "MLFLOW_PRESIGNED_DOWNLOAD_URL_TTL_SECONDS": "3600",
        "PREFECT_HOME": str((STACK / "prefect").absolute()),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        # Whoever can start flows can run code, so other users and open web pages must not.
        "PREFECT_SERVER_API_AUTH_STRING": access.prefect,
        "PREFECT_SERVER_CORS_ALLOWED_ORIGINS": ",".join(f"http://{host}" for host in hosts(access.ports.prefect)),
        "DO_NOT_TRACK": "1",
    }


def up() -> None:
    """Starts the stack unless it runs, and makes what it needs: bucket, work pool, deployments, DVC's remote.

    Raises StackError if a port is taken, a service does not come up, or the stack runs on other ports.
    """
    STACK.mkdir(mode=0o700, exist_ok=True)
    if (STACK / "objects").exists():
        raise StackError(
            STACK, got="data of another S3 server", expected="none", remedy=f"end the stack, then rm -r {STACK}"
        )
    for folder in (STACK / "mlflow", STACK / "prefect"):
        folder.mkdir(exist_ok=True)
    with TURN.open("w") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        access = started()
        for service in services(access):
            wait_until_healthy(service)
        prepare(access)
    print(f"Prefect  {access.address(access.ports.prefect)}, which asks for PREFECT_API_AUTH_STRING in {ENVIRONMENT}")
    print(f"MLflow   {access.address(access.ports.mlflow)}")
    print(f"S3       {access.address(access.ports.s3)}, bucket {BUCKET}")
    print(f"For a shell: set -a; . {ENVIRONMENT}; set +a")


def started() -> Access:
    """Starts the stack unless it runs, and returns its addresses and credentials."""
    asked, kept = Ports.asked(), Access.kept()
    if running() is not None:
        if kept is None:
            raise StackError(
                ENVIRONMENT, got="no complete file", expected="the running stack's settings", remedy=_END_IT
            )
        if asked not in {None, kept.ports}:
            raise StackError(PORTS, got=asked, expected=f"{kept.ports}, where the stack runs", remedy=_END_IT)
        return kept
    ports = asked or (kept.ports if kept else Ports())
    for port in astuple(ports):
        refuse_taken(port)
    access = replace(kept, ports=ports) if kept else Access(ports)
    access.keep()
    with (STACK / "supervisor.log").open("a") as log:
        command = [sys.executable, "-m", "infra.stack", "supervise"]
        subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
    return access


def down() -> None:
    """Ends the supervisor and what it started, and nothing else."""
    supervisor = running()
    if supervisor is None:
        print("the stack does not run")
        return
    os.kill(supervisor, signal.SIGTERM)
    until = time.monotonic() + _SECONDS_TO_END
    while running() is not None:
        if time.monotonic() > until:
            raise StackError(
                "stack", got="a supervisor that still runs", expected="none", remedy=f"read the logs in {STACK}"
            )
        time.sleep(0.1)
    print("the stack is down; its data stays in .stack/")


def running() -> int | None:
    """The process id of the supervisor, or None. It holds the lock as long as it lives."""
    if not LOCK.exists():
        return None
    with LOCK.open("r+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return int(file.read() or 0) or None
    return None


def supervise() -> None:
    """Keeps every service running until SIGTERM comes."""
    if (access := Access.kept()) is None:
        raise StackError(
            ENVIRONMENT, got="no complete file", expected="the stack's settings", remedy="run `make stack`"
        )
    with only_supervisor(), Leash() as leash:
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        kept = [Kept(service, leash, environment(access)) for service in services(access)]
        try:
            for one in kept:
                one.start()
                while one.service.health and not answers(one.service.health):
                    one.start_again_if_ended()
                    time.sleep(0.2)
            while True:
                for one in kept:
                    one.start_again_if_ended()
                time.sleep(0.5)
        finally:
            for one in reversed(kept):
                one.end()


class Kept:
    """A service that is started again when it ends."""

    def __init__(self, service: Service, leash: Leash, environment: Mapping[str, str]) -> None:
        self.service, self._leash, self._environment = service, leash, environment
        self._process: subprocess.Popen[bytes] | None = None
        self._pause = _FIRST_PAUSE
        self._began = 0.0

    def start(self) -> None:
        with (STACK / f"{self.service.name}.log").open("ab") as log:
            self._process = self._leash.start(self.service.command, self._environment, output=log.fileno())
        self._began = time.monotonic()

    def start_again_if_ended(self) -> None:
        if self._process is None or self._process.poll() is None:
            return
        print(f"{self.service.name} ended with {self._process.returncode}: it is started again", flush=True)
        lasted = time.monotonic() - self._began
        self._pause = _FIRST_PAUSE if lasted > _LONGEST_PAUSE else min(2 * self._pause, _LONGEST_PAUSE)
        time.sleep(self._pause)
        self.start()

    def end(self) -> None:
        if self._process and self._process.poll() is None:
            self._process.terminate()
            self._process.wait()


@contextmanager
def only_supervisor() -> Iterator[None]:
    """Holds the lock, with this process's id in it. Raises StackError if another process holds it."""
    with LOCK.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise StackError(LOCK, got="a supervisor that runs already", expected="none", remedy=_END_IT) from error
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


def wait_until_healthy(service: Service) -> None:
    until = time.monotonic() + _SECONDS_TO_START
    while service.health and not answers(service.health):
        if time.monotonic() > until:
            raise StackError(
                service.name,
                got=f"no answer within {_SECONDS_TO_START} seconds",
                expected="an answer",
                remedy=f"read {STACK / service.name}.log and {STACK / 'supervisor.log'}",
            )
        time.sleep(0.2)


def answers(address: str) -> bool:
    try:
        # The address is http, and loading certificates would take longer than the request.
        return httpx.get(address, timeout=2, verify=False).status_code < 500
    except httpx.TransportError:
        return False


def refuse_taken(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise StackError(
                f"port {port}", got="another server on it", expected="a free port", remedy=f"set {PORTS} to others"
            ) from error


def prepare(access: Access) -> None:
    """Makes the bucket, the work pool, the deployments and a remote for DVC, unless they exist."""
    import boto3
    from botocore.exceptions import ClientError

    urls = access.variables()
    s3 = boto3.client(
        "s3",
        endpoint_url=urls["AWS_ENDPOINT_URL"],
        region_name=urls["AWS_DEFAULT_REGION"],
        aws_access_key_id=urls["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=urls["AWS_SECRET_ACCESS_KEY"],
    )
    try:
        s3.head_bucket(Bucket=BUCKET)
    except ClientError:
        s3.create_bucket(Bucket=BUCKET)
    deployments = DEPLOYMENTS.read_text(encoding="utf-8")
    # Deploying again would pause a schedule that the user has resumed.
    if not DEPLOYED.exists() or DEPLOYED.read_text(encoding="utf-8") != deployments:
        tell(access, "prefect", "work-pool", "create", POOL, "--type", "process", "--overwrite")
        tell(access, "prefect", "--no-prompt", "deploy", "--all")
        DEPLOYED.write_text(deployments, encoding="utf-8")
    tell(access, "dvc", "remote", "add", "--local", "--force", REMOTE, f"s3://{BUCKET}/dvc")
    tell(access, "dvc", "remote", "modify", "--local", REMOTE, "endpointurl", urls["AWS_ENDPOINT_URL"])
    try:
        default_remote()
    except PipelineError:
        tell(access, "dvc", "remote", "default", "--local", REMOTE)


def tell(access: Access, *command: str) -> None:
    """Runs a command. Raises StackError with its output if it fails."""
    done = subprocess.run(command, env=environment(access), capture_output=True, text=True, check=False)
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines()[-1:]
        raise StackError(" ".join(command[:3]), got=f"{said}", expected="success", remedy=f"see {STACK}/*.log")


def main() -> int:
    commands = {"up": up, "down": down, "supervise": supervise}
    if len(sys.argv) != 2 or sys.argv[1] not in commands:
        print(f"python -m infra.stack: got {sys.argv[1:]}, expected up or down", file=sys.stderr)
        return 2
    try:
        commands[sys.argv[1]]()
    except StackError as error:
        print(f"stack: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())

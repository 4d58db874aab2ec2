"""Images and Compose: versions, ports, users, secrets."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from infra.access import Access, Ports
from infra.stack import environment
from tests.conftest import ROOT
from tests.infra.files import INFRA, MANIFESTS, SECRET, constraint, read

from distilrank.mlflow_client import TRANSFERS

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"]


def stages() -> dict[str, list[str]]:
    """The stages of the Dockerfile: each one's own lines, after those of the stage that it starts from."""
    text = re.sub(r"\\\n\s*", "", (INFRA / "Dockerfile").read_text("utf-8"))
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        if start := re.fullmatch(r"FROM (\S+) AS (\S+)", line):
            lines = found[start[2]] = [*found.get(start[1], ())]
        if line.strip() and not line.startswith("#"):
            lines.append(line)
    return found


COMPOSE = read(INFRA / "compose.yaml")
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]


class TestVersions:
    @pytest.mark.parametrize(
        "file",
        [file for file in INFRA.rglob("*") if file.is_file() and file.suffix != ".pyc"],
        ids=lambda file: file.name,
    )
    def test_no_file_names_another_version(self, file: Path) -> None:
        # Charts have versions of their own.
        text = re.sub(r"--version \S+", "", file.read_text("utf-8"))
        named = re.findall(r"(prefect|mlflow|ray)[^\d\n]*(\d+\.\d+\.\d+)(?!\.?\d)", text, re.I)
        assert all(version == constraint(package.lower()) for package, version in named)

    def test_images_take_every_package_from_constraints(self) -> None:
        installs = [line for lines in stages().values() for line in lines if "pip install" in line]
        assert installs and all("constraints.txt" in line for line in installs)
        pinned = {name: version for line in installs for name, version in re.findall(r"([\w-]+)==(\d\S*)", line)}
        assert set(pinned) == {"psycopg2-binary"}

    def test_the_image_of_the_worker_brings_every_extra(self) -> None:
        (install,) = (line for line in stages()["build-worker"] if "-r pyproject.toml" in line)
        assert install.endswith('--extra "$FAISS" --extra all')

    def test_downloads_of_every_package_but_torch_are_held_against_hashes(self) -> None:
        pins = re.split(r"\n(?=\S)", (ROOT / "constraints.txt").read_text("utf-8").strip())
        assert [pin.split("==")[0] for pin in pins if "--hash=sha256:" not in pin] == ["torch"]

    def test_own_images_have_the_projects_version_and_others_an_exact_one(self) -> None:
        images = [service["image"] for service in SERVICES.values()]
        for file in MANIFESTS:
            images += re.findall(r"distilrank-(?:worker|worker-gpu):[\w.]+", file.read_text("utf-8"))
        for name, tag in (image.split(":") for image in images):
            assert tag == PROJECT if name.startswith("distilrank-") else re.fullmatch(r"\d+(\.\d+)+", tag), name

    def test_python_is_the_one_of_the_project(self) -> None:
        bases = [line for line in stages()["base"] if line.startswith("FROM")]
        assert [bool(re.match(r"FROM python:3\.11\.\d+-slim ", line)) for line in bases] == [True]


class TestCompose:
    def test_ports_are_published_on_this_machine_alone(self) -> None:
        ports = [port for service in SERVICES.values() for port in service.get("ports", ())]
        assert len(ports) == 3 and all(port.startswith("127.0.0.1:") for port in ports)

    @pytest.mark.parametrize("name", SERVICES)
    def test_services_tell_their_health_and_come_back(self, name: str) -> None:
        service = SERVICES[name]
        image = stages().get(service.get("build", {}).get("target"), [])
        assert service.get("healthcheck", {}).get("test") or any(line.startswith("HEALTHCHECK") for line in image)
        assert service["restart"] == "unless-stopped"

    @pytest.mark.parametrize("name", SERVICES)
    def test_services_are_neither_root_nor_privileged(self, name: str) -> None:
        service = SERVICES[name]
        users = [
            line.split()[1] for line in stages().get(service.get("build", {}).get("target"), []) if "USER " in line
        ]
        user = service.get("user") or users[-1]
        assert user.split(":")[0] not in {"", "0", "root"}
        assert not {"privileged", "network_mode", "pid", "cap_add"} & set(service)
        assert not any("docker.sock" in volume for volume in service.get("volumes", ()))
        if "build" in service:
            assert service["cap_drop"] == ["ALL"] and service["security_opt"] == ["no-new-privileges:true"]

    def test_services_wait_for_the_health_of_those_they_need(self) -> None:
        needs = {name: service.get("depends_on", {}) for name, service in SERVICES.items()}
        assert all(need == {"condition": "service_healthy"} for of in needs.values() for need in of.values())
        assert set(needs["mlflow-server"]) == {"postgres", "seaweedfs"}
        assert set(needs["worker"]) == set(needs["worker-gpu"]) == {"prefect-server", "mlflow-server"}

    def test_flows_do_not_reach_the_database(self) -> None:
        reached = {name for name, service in SERVICES.items() if "stores" in service.get("networks", ["default"])}
        assert reached == {"postgres", "seaweedfs", "prefect-server", "mlflow-server"}
        assert COMPOSE["networks"]["stores"]["internal"] and SERVICES["postgres"]["networks"] == ["stores"]

    def test_volumes_are_named_or_of_the_checkout(self) -> None:
        volumes = [volume.split(":")[0] for service in SERVICES.values() for volume in service.get("volumes", ())]
        assert {volume for volume in volumes if not volume.startswith(".")} == set(COMPOSE["volumes"])
        assert {volume for volume in volumes if volume.startswith(".")} == {"./postgres", ".."}

    def test_each_server_finds_the_database_that_is_made_for_it(self) -> None:
        made = re.findall(
            r'^make_database (\w+) "\$(\w+)"$', (INFRA / "postgres/databases.sh").read_text("utf-8"), re.M
        )
        prefect, mlflow = (SERVICES[f"{name}-server"]["environment"] for name in ("prefect", "mlflow"))
        wanted = [
            (prefect["PREFECT_SERVER_DATABASE_NAME"], prefect["PREFECT_SERVER_DATABASE_PASSWORD"]),
            (mlflow["MLFLOW_BACKEND_STORE_URI"].rpartition("/")[2], mlflow["MLFLOW_BACKEND_STORE_URI"]),
        ]
        for (database, variable), (name, password) in zip(made, wanted, strict=True):
            assert database == name and f"${{{variable}:?" in password
            assert variable in SERVICES["postgres"]["environment"]

    def test_prefect_asks_for_its_password_and_lets_no_other_page_ask(self) -> None:
        given = SERVICES["prefect-server"]["environment"]
        assert "PREFECT_SERVER_API_AUTH_STRING" in given
        origins = {"${PREFECT_UI_URL:-http://localhost:4200}", "http://127.0.0.1:4200"}
        assert set(given["PREFECT_SERVER_CORS_ALLOWED_ORIGINS"].split(",")) == origins

    def test_mlflow_answers_to_known_hosts_and_unpickles_nothing(self) -> None:
        options = dict(option.split("=") for option in SERVICES["mlflow-server"]["command"] if "=" in option)
        assert options["--artifacts-destination"] == f"s3://{SERVICES['seaweedfs']['environment']['S3_BUCKET']}/mlflow"
        assert "*" not in options["--allowed-hosts"] and "mlflow-server:5000" in options["--allowed-hosts"]
        for target in ("servers", "worker", "serving"):
            assert any("MLFLOW_ALLOW_PICKLE_DESERIALIZATION=false" in line for line in stages()[target])

    def test_a_link_to_a_file_lasts_as_long_as_a_command_waits(self) -> None:
        compose = SERVICES["mlflow-server"]["environment"]["MLFLOW_PRESIGNED_DOWNLOAD_URL_TTL_SECONDS"]
        stack = environment(Access(Ports()))["MLFLOW_PRESIGNED_DOWNLOAD_URL_TTL_SECONDS"]
        assert int(compose) == int(stack) == TRANSFERS.seconds

    def test_a_gpu_is_reserved_and_its_image_has_the_packages_for_it(self) -> None:
        gpu = SERVICES["worker-gpu"]
        (device,) = gpu["deploy"]["resources"]["reservations"]["devices"]
        assert device["driver"] == "nvidia" and device["capabilities"] == ["gpu"]
        assert gpu["build"]["args"]["FAISS"] == "gpu" and gpu["environment"]["DISTILRANK_DEVICE"] == "cuda"
        assert set(gpu["build"]["args"]) <= set(re.findall(r"ARG (\w+)=", "\n".join(stages()["build-worker"])))
        assert {name: service["profiles"] for name, service in SERVICES.items() if "profiles" in service} == {
            "worker-gpu": ["gpu"],
            "serving": ["serving"],
        }

    def test_workers_poll_the_pool_of_the_deployments(self) -> None:
        pools = {deployment["work_pool"]["name"] for deployment in read(ROOT / "prefect.yaml")["deployments"]}
        commands = " ".join(SERVICES[name]["command"] for name in ("worker", "worker-gpu"))
        assert pools == set(re.findall(r"--pool=(\w+)", commands))
        for name in ("worker", "worker-gpu"):
            assert "..:/project" in SERVICES[name]["volumes"]


class TestSecrets:
    def test_every_variable_is_in_the_example_and_none_is_forgotten(self) -> None:
        text = (INFRA / "compose.yaml").read_text("utf-8")
        used = set(re.findall(r"\$\{?(\w+)(.{2})", text))
        example = (INFRA / ".env.example").read_text("utf-8")
        given = dict(re.findall(r"^(\w+)=(.*)$", example, re.M))
        # Compose takes no empty value of these.
        assert {(name, ":?") for name in given} == {found for found in used if found[1] != ":-"}
        assert {name for name, value in given.items() if value} == {"SERVED_MODEL"}
        # These may be left out: comments, which the README's command does not fill with random ones.
        assert {(name, ":-") for name in re.findall(r"^# (\w+)=", example, re.M)} == used - {(n, ":?") for n in given}

    def test_compose_takes_secrets_from_the_environment_alone(self) -> None:
        given = [
            (name, str(value))
            for service in SERVICES.values()
            for name, value in service.get("environment", {}).items()
            if SECRET.search(name) and name != "MLFLOW_TRACKING_URI"
        ]
        assert len(given) >= 9 and all("${" in value for _, value in given)

    def test_images_are_built_without_secrets_and_data(self) -> None:
        lines = (INFRA / "Dockerfile.dockerignore").read_text("utf-8").splitlines()
        rules = [line for line in lines if not line.startswith("#")]
        let_in = {rule.removeprefix("!") for rule in rules if rule.startswith("!")}
        own = {line for line in stages()["build-worker"] if line.startswith("COPY") and "--from" not in line}
        assert rules[0] == "*" and let_in == {name for line in own for name in line.split()[1:-1]}
        assert ".env" in (INFRA / ".gitignore").read_text("utf-8").split()

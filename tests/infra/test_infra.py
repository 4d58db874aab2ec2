"""Containers and Kubernetes: versions, ports, users, secrets, and the fields that the charts and KubeRay know."""

import json
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import pytest
from prefect.utilities.templating import find_placeholders
from pydantic import BaseModel, ConfigDict
from ruamel.yaml import YAML

ROOT = Path(__file__).parents[2]
INFRA = ROOT / "infra"
KUBERNETES = INFRA / "kubernetes"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"]
SECRET = re.compile("PASSWORD|SECRET|ACCESS_KEY|AUTH|URI$|PREFECT_API_DATABASE")


def read(file: Path) -> Any:
    return YAML(typ="safe", pure=True).load(file)


def constraint(package: str) -> str:
    return next(
        line.removeprefix(f"{package}==")
        for line in (ROOT / "constraints.txt").read_text("utf-8").splitlines()
        if line.startswith(f"{package}==")
    )


def nodes(value: Any) -> Iterator[dict[str, Any]]:
    """Every mapping within."""
    if isinstance(value, dict):
        yield value
    for child in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from nodes(child)


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
MANIFESTS = sorted([*KUBERNETES.glob("*.yaml"), *KUBERNETES.glob("*.json")])


class TestVersions:
    @pytest.mark.parametrize(
        ("file", "package"),
        [("prefect-server", "prefect"), ("prefect-worker", "prefect"), ("mlflow", "mlflow"), ("ray-cluster", "ray")],
    )
    def test_kubernetes_runs_what_constraints_name(self, file: str, package: str) -> None:
        text = (KUBERNETES / f"{file}.yaml").read_text("utf-8")
        versions = re.findall(r"(?<![\w.])v?(\d+\.\d+\.\d+)(?![\w.])", re.sub(r"distilrank\S+|127\.0\.0\.1", "", text))
        assert versions == [constraint(package)]

    @pytest.mark.parametrize(
        "file",
        [file for file in INFRA.rglob("*") if file.is_file() and file.suffix != ".pyc"],
        ids=lambda file: file.name,
    )
    def test_no_file_names_another_version(self, file: Path) -> None:
        named = re.findall(r"(prefect|mlflow|ray)[^\d\n]*(\d+\.\d+\.\d+)(?!\.?\d)", file.read_text("utf-8"), re.I)
        assert all(version == constraint(package.lower()) for package, version in named)

    def test_images_take_every_package_from_constraints(self) -> None:
        installs = [line for lines in stages().values() for line in lines if "pip install" in line]
        assert installs and all("-c constraints.txt" in line for line in installs)
        pinned = {name: version for line in installs for name, version in re.findall(r"([\w-]+)==(\S+)", line)}
        assert set(pinned) == {"psycopg2-binary"}

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
        origins = {f"http://{host}:4200" for host in ("localhost", "127.0.0.1")}
        assert set(given["PREFECT_SERVER_CORS_ALLOWED_ORIGINS"].split(",")) == origins

    def test_mlflow_answers_to_known_hosts_and_unpickles_nothing(self) -> None:
        options = dict(option.split("=") for option in SERVICES["mlflow-server"]["command"] if "=" in option)
        assert options["--artifacts-destination"] == f"s3://{SERVICES['seaweedfs']['environment']['S3_BUCKET']}/mlflow"
        assert "*" not in options["--allowed-hosts"] and "mlflow-server:5000" in options["--allowed-hosts"]
        for target in ("servers", "worker", "serving"):
            assert any("MLFLOW_ALLOW_PICKLE_DESERIALIZATION=false" in line for line in stages()[target])

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
    def test_every_variable_is_required_and_in_the_example(self) -> None:
        text = (INFRA / "compose.yaml").read_text("utf-8")
        used = re.findall(r"\$\{?(\w+)(.{2})", text)
        assert {how for _, how in used} == {":?"}
        lines = (INFRA / ".env.example").read_text("utf-8").splitlines()
        example = dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
        assert set(example) == {name for name, _ in used}
        # Compose takes no empty value, so that none can be forgotten.
        assert {name for name, value in example.items() if value} == {"SERVED_MODEL"}

    def test_compose_takes_secrets_from_the_environment_alone(self) -> None:
        given = [
            (name, str(value))
            for service in SERVICES.values()
            for name, value in service.get("environment", {}).items()
            if SECRET.search(name) and name != "MLFLOW_TRACKING_URI"
        ]
        assert len(given) >= 9 and all("${" in value for _, value in given)

    @pytest.mark.parametrize("file", MANIFESTS, ids=lambda file: file.name)
    def test_kubernetes_refers_to_secrets_by_name(self, file: Path) -> None:
        for node in nodes(read(file)):
            assert not {"password", "authString", "backendStoreUri", "stringData"} & set(node)
            if SECRET.search(str(node.get("name"))) and not re.search(
                "_SECRET_(NAME|KEY)$|TRACKING", str(node["name"])
            ):
                assert set(node["valueFrom"]["secretKeyRef"]) == {"name", "key"}

    def test_images_are_built_without_secrets_and_data(self) -> None:
        lines = (INFRA / "Dockerfile.dockerignore").read_text("utf-8").splitlines()
        rules = [line for line in lines if not line.startswith("#")]
        let_in = {rule.removeprefix("!") for rule in rules if rule.startswith("!")}
        own = {line for line in stages()["build-worker"] if line.startswith("COPY") and "--from" not in line}
        assert rules[0] == "*" and let_in == {name for line in own for name in line.split()[1:-1]}
        assert ".env" in (INFRA / ".gitignore").read_text("utf-8").split()


# What the charts' values.yaml and KubeRay's raycluster_types.go know, as far as it is used here.
class Known(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class Probe(Known):
    enabled: Literal[True]


class PodSecurity(Known):
    runAsNonRoot: Literal[True]
    runAsUser: Literal[1000, 1001]
    fsGroup: int
    seccompProfile: dict[Literal["type"], Literal["RuntimeDefault"]]


class ContainerSecurity(Known):
    allowPrivilegeEscalation: Literal[False]
    capabilities: dict[Literal["drop"], list[Literal["ALL"]]]
    readOnlyRootFilesystem: bool = False
    runAsNonRoot: Literal[True] = True
    runAsUser: Literal[1000, 1001] = 1000


class BasicAuth(Known):
    enabled: Literal[True]
    existingSecret: str


class Service(Known):
    type: Literal["ClusterIP"]


class PrefectImage(Known):
    repository: Literal["prefecthq/prefect"]
    prefectTag: str


class PrefectGlobals(Known):
    image: PrefectImage
    env: list[dict[str, str]]


class PrefectGlobal(Known):
    prefect: PrefectGlobals


class PrefectServerPod(Known):
    basicAuth: BasicAuth
    uiConfig: dict[Literal["prefectUiApiUrl"], str]
    livenessProbe: Probe
    readinessProbe: Probe
    podSecurityContext: PodSecurity
    containerSecurityContext: ContainerSecurity


class DatabaseSecret(Known):
    create: Literal[False]
    name: str


class PrefectServer(Known):
    """prefect/prefect-server."""

    # `global` is a word of Python's.
    model_config = ConfigDict(alias_generator=lambda name: name.rstrip("_"))

    global_: PrefectGlobal
    server: PrefectServerPod
    service: Service
    postgresql: dict[Literal["enabled"], Literal[False]]
    secret: DatabaseSecret


class WorkerConfig(Known):
    workPool: str
    workQueues: list[str]
    type: Literal["kubernetes"]
    installPolicy: Literal["always", "if-not-present", "never", "prompt"]


class InitContainer(Known):
    containerSecurityContext: ContainerSecurity


class PrefectWorkerPod(Known):
    image: PrefectImage
    config: WorkerConfig
    apiConfig: Literal["server"]
    serverApiConfig: dict[Literal["apiUrl"], str]
    basicAuth: BasicAuth
    extraEnvVars: list[dict[str, str]]
    livenessProbe: Probe
    podSecurityContext: PodSecurity
    containerSecurityContext: ContainerSecurity
    initContainer: InitContainer


class PrefectWorker(Known):
    """prefect/prefect-worker."""

    worker: PrefectWorkerPod


class MlflowImage(Known):
    repository: Literal["ghcr.io/mlflow/mlflow"]
    tag: str


class MlflowServer(Known):
    value_options: dict[str, str | int]
    flag_options: list[str]


class MlflowStores(Known):
    backendStoreUriFrom: dict[Literal["secretKeyRef"], dict[str, str]]
    artifactsDestination: str


class Mlflow(Known):
    """ghcr.io/mlflow/charts/mlflow."""

    fullnameOverride: str
    image: MlflowImage
    server: MlflowServer
    mlflow: MlflowStores
    env: list[dict[str, Any]]
    service: Service
    podSecurityContext: PodSecurity
    securityContext: ContainerSecurity
    resources: dict[Literal["requests", "limits"], dict[str, str]]


class RayContainer(Known):
    name: str
    image: str
    readinessProbe: dict[str, Any]
    livenessProbe: dict[str, Any]
    securityContext: ContainerSecurity
    resources: dict[Literal["requests", "limits"], dict[str, str]]


class RayPodSpec(Known):
    automountServiceAccountToken: Literal[False]
    securityContext: PodSecurity
    containers: list[RayContainer]


class RayPod(Known):
    spec: RayPodSpec


class RayHead(Known):
    serviceType: Literal["ClusterIP"]
    rayStartParams: dict[str, str]
    template: RayPod


class RayWorkers(Known):
    groupName: str
    replicas: int
    minReplicas: int
    maxReplicas: int
    rayStartParams: dict[str, str]
    template: RayPod


class RayClusterSpec(Known):
    rayVersion: str
    headGroupSpec: RayHead
    workerGroupSpecs: list[RayWorkers]


class RayCluster(Known):
    apiVersion: Literal["ray.io/v1"]
    kind: Literal["RayCluster"]
    metadata: dict[Literal["name", "namespace"], str]
    spec: RayClusterSpec


class TestKubernetes:
    @pytest.mark.parametrize(
        ("file", "model"),
        [
            ("prefect-server.yaml", PrefectServer),
            ("prefect-worker.yaml", PrefectWorker),
            ("mlflow.yaml", Mlflow),
            ("ray-cluster.yaml", RayCluster),
        ],
    )
    def test_has_known_fields_only_non_root_pods_and_inner_services(self, file: str, model: type[Known]) -> None:
        model.model_validate(read(KUBERNETES / file))

    def test_the_namespace_is_closed_to_others(self) -> None:
        spec = read(KUBERNETES / "network-policy.yaml")["spec"]
        assert spec == {
            "podSelector": {},
            "policyTypes": ["Ingress"],
            "ingress": [{"from": [{"podSelector": {}}]}],
        }

    def test_prefect_asks_for_its_password_and_lets_no_other_page_ask(self) -> None:
        given = SERVICES["prefect-server"]["environment"]
        assert "PREFECT_SERVER_API_AUTH_STRING" in given
        origins = {f"http://{host}:4200" for host in ("localhost", "127.0.0.1")}
        assert set(given["PREFECT_SERVER_CORS_ALLOWED_ORIGINS"].split(",")) == origins

    def test_mlflow_answers_to_known_hosts_and_unpickles_nothing(self) -> None:
        values = read(KUBERNETES / "mlflow.yaml")
        assert "*" not in values["server"]["value_options"]["allowed_hosts"]
        assert {"name": "MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "value": "false"} in values["env"]

    def test_ray_has_a_group_with_gpus(self) -> None:
        (group,) = RayCluster.model_validate(read(KUBERNETES / "ray-cluster.yaml")).spec.workerGroupSpecs
        (container,) = group.template.spec.containers
        assert container.resources["limits"]["nvidia.com/gpu"] == "1" and "gpu" in container.image

    def test_the_work_pools_variables_are_those_of_its_job(self) -> None:
        pool = json.loads((KUBERNETES / "work-pool.json").read_text("utf-8"))
        used = {found.name for found in find_placeholders(json.dumps(pool["job_configuration"]))}
        assert used == set(pool["variables"]["properties"])

    def test_flows_run_as_no_root_and_find_ray_and_mlflow(self) -> None:
        pool = json.loads((KUBERNETES / "work-pool.json").read_text("utf-8"))
        pod = pool["job_configuration"]["job_manifest"]["spec"]["template"]["spec"]
        PodSecurity.model_validate(pod["securityContext"])
        (container,) = pod["containers"]
        ContainerSecurity.model_validate(container["securityContext"])
        ray = read(KUBERNETES / "ray-cluster.yaml")["metadata"]["name"]
        assert pool["variables"]["properties"]["ray_cluster"]["default"] == f"{ray}-head-svc:6379"
        mlflow = read(KUBERNETES / "mlflow.yaml")
        address = f"{mlflow['fullnameOverride']}:{mlflow['server']['value_options']['port']}"
        assert {"name": "MLFLOW_TRACKING_URI", "value": f"http://{address}"} in container["env"]
        assert address in mlflow["server"]["value_options"]["allowed_hosts"].split(",")

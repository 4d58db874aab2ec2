"""Kubernetes: fields that charts and cluster know, names that exist, what flows and the served champion are given."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator
from prefect.utilities.templating import apply_values, find_placeholders
from ruamel.yaml import YAML
from tests.conftest import ROOT
from tests.infra.files import INFRA, KUBERNETES, MANIFESTS, SECRET, constraint, documents, nodes, read

CHARTS = ROOT.parent / "shared" / "charts"
needs_schemas = pytest.mark.skipif(
    not CHARTS.is_dir(), reason=f"{CHARTS} is not there: the schemas of Prefect's charts, and of RayCluster"
)
README = (INFRA / "README.md").read_text("utf-8").replace("\\\n", " ")
SERVER, WORKER, MLFLOW, RAY = (
    read(KUBERNETES / f"{name}.yaml") for name in ("prefect-server", "prefect-worker", "mlflow", "ray-cluster")
)
POOL = json.loads((KUBERNETES / "work-pool.json").read_text("utf-8"))
PLAIN = [*documents(KUBERNETES / "flows.yaml"), *documents(KUBERNETES / "serving.yaml")]


def job(**given: Any) -> dict[str, Any]:
    """The job that Prefect makes of the pool, by its defaults and the variables of a deployment."""
    declared = POOL["variables"]["properties"]
    values = {name: variable["default"] for name, variable in declared.items() if "default" in variable} | given
    made: dict[str, Any] = apply_values(POOL["job_configuration"], values)
    return made


def flow_pod(**given: Any) -> dict[str, Any]:
    template: dict[str, Any] = job(**given)["job_manifest"]["spec"]["template"]
    return template


def plain(kind: str) -> list[dict[str, Any]]:
    return [document for document in PLAIN if document["kind"] == kind]


def pods() -> dict[str, dict[str, Any]]:
    """The pods that these files write themselves; charts make the others."""
    (serving,) = plain("Deployment")
    (group,) = RAY["spec"]["workerGroupSpecs"]
    return {
        "flow": flow_pod(),
        "serving": serving["spec"]["template"],
        "ray head": RAY["spec"]["headGroupSpec"]["template"],
        "ray worker": group["template"],
    }


def env(container: dict[str, Any]) -> dict[str, Any]:
    names = [entry["name"] for entry in container["env"]]
    assert len(names) == len(set(names))
    return {entry["name"]: entry.get("value", entry.get("valueFrom")) for entry in container["env"]}


def closed(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema, which refuses fields that it does not name: Helm and Kubernetes pass over them in silence."""
    schema = dict(schema)
    if "properties" in schema:
        schema["properties"] = {name: closed(inner) for name, inner in schema["properties"].items()}
        if not schema.get("x-kubernetes-preserve-unknown-fields"):
            schema.setdefault("additionalProperties", False)
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), dict):
            schema[key] = closed(schema[key])
    return schema


def faults(schema: dict[str, Any], value: Any) -> list[str]:
    return [f"{error.json_path}: {error.message}" for error in Draft7Validator(closed(schema)).iter_errors(value)]


def chart(name: str) -> dict[str, Any]:
    schema: dict[str, Any] = json.loads((CHARTS / f"{name}.values.schema.json").read_text("utf-8"))
    return schema | {"additionalProperties": False}


@pytest.fixture(scope="module")
def ray_cluster() -> dict[str, Any]:
    definition = YAML(typ="safe").load(CHARTS / "rayclusters.crd.yaml")
    (schema,) = [found["schema"] for found in definition["spec"]["versions"] if found["name"] == "v1"]
    return dict(schema["openAPIV3Schema"])


@needs_schemas
class TestSchemas:
    def test_values_are_those_of_the_charts(self) -> None:
        # As --set-file adds it.
        template = {"baseJobTemplate": {"configuration": json.dumps(POOL)}}
        worker = WORKER["worker"] | {"config": WORKER["worker"]["config"] | template}
        assert faults(chart("prefect-worker"), {"worker": worker}) == []
        assert faults(chart("prefect-server"), SERVER) == []

    @pytest.mark.parametrize(
        ("values", "fault"),
        [
            ({"apiConfig": "server"}, "'server' is not one of"),
            ({"basicAuth": {"enabled": True}}, "'basicAuth' was unexpected"),
            ({"selfHostedServerApiConfig": {"basicAuth": {"secret": "prefect-auth"}}}, "'secret' was unexpected"),
        ],
    )
    def test_values_that_a_chart_does_not_know_are_found(self, values: dict[str, Any], fault: str) -> None:
        (found,) = faults(chart("prefect-worker"), {"worker": values})
        assert fault in found

    def test_the_ray_cluster_is_what_its_operator_knows(self, ray_cluster: dict[str, Any]) -> None:
        assert faults(ray_cluster, RAY) == []
        (found,) = faults(ray_cluster, RAY | {"spec": RAY["spec"] | {"rayversion": "2"}})
        assert "'rayversion' was unexpected" in found

    @pytest.mark.parametrize("name", pods())
    def test_pods_have_fields_of_kubernetes(self, ray_cluster: dict[str, Any], name: str) -> None:
        head = ray_cluster["properties"]["spec"]["properties"]["headGroupSpec"]
        pod = {"spec": pods()[name]["spec"]}
        assert faults(head["properties"]["template"], pod) == []
        assert faults(head["properties"]["template"], {"spec": pod["spec"] | {"serviceAccount_": "x"}})


class TestCommands:
    def test_every_chart_has_a_version(self) -> None:
        installs = re.findall(r"^ *\$ helm .*install .*$", README, re.M)
        versions = {re.findall(r"install (\S+)", line)[0]: re.findall(r"--version (\d\S+)", line) for line in installs}
        assert len(installs) == 4 and set(versions) == {
            "prefect-server",
            "prefect-worker",
            "mlflow",
            "kuberay-operator",
        }
        assert all(len(version) == 1 for version in versions.values())
        # Both are released together.
        assert versions["prefect-server"] == versions["prefect-worker"]

    def test_every_file_is_used(self) -> None:
        commands = " ".join(re.findall(r"^ *\$ (?:helm|kubectl) .*$", README, re.M))
        assert {file.name for file in MANIFESTS} == set(re.findall(r"[\w-]+\.(?:yaml|json)", commands))

    def test_every_image_is_built(self) -> None:
        text = " ".join(file.read_text("utf-8") for file in MANIFESTS)
        used = set(re.findall(r"distilrank-[\w-]+:\d+\.[\d.]+", text))
        assert used and used <= set(re.findall(r"-t (distilrank-\S+) ", README))

    @pytest.mark.parametrize(
        ("file", "package"),
        [("prefect-server", "prefect"), ("prefect-worker", "prefect"), ("mlflow", "mlflow"), ("ray-cluster", "ray")],
    )
    def test_runs_what_constraints_name(self, file: str, package: str) -> None:
        text = (KUBERNETES / f"{file}.yaml").read_text("utf-8")
        versions = re.findall(r"(?<![\w.])v?(\d+\.\d+\.\d+)(?![\w.])", re.sub(r"distilrank\S+|127\.0\.0\.1", "", text))
        assert versions == [constraint(package)]


class TestNames:
    def test_secrets_and_their_keys_are_made_and_no_others(self) -> None:
        made = {
            name: set(re.findall(r"--from-literal=([\w-]+)=", rest))
            for name, rest in re.findall(r"create secret generic (\S+)(.*)$", README, re.M)
        }
        # The keys that the charts look for.
        used = {SERVER["secret"]["name"]: {"connection-string"}}
        for node in [node for file in MANIFESTS for document in documents(file) for node in nodes(document)]:
            if reference := node.get("secretKeyRef"):
                used.setdefault(reference["name"], set()).add(reference["key"])
            if name := node.get("existingSecret"):
                used.setdefault(name, set()).add("auth-string")
        assert used == made

    @pytest.mark.parametrize("file", MANIFESTS, ids=lambda file: file.name)
    def test_secrets_are_referred_to_by_name(self, file: Path) -> None:
        for node in [node for document in documents(file) for node in nodes(document)]:
            assert not {"password", "authString", "backendStoreUri", "stringData"} & set(node)
            if SECRET.search(name := str(node.get("name"))) and "TRACKING" not in name:
                assert {"name", "key"} <= set(node["valueFrom"]["secretKeyRef"]) <= {"name", "key", "optional"}

    def test_claims_and_accounts_are_defined(self) -> None:
        spec = flow_pod()["spec"]
        claims = [node["claimName"] for node in nodes(spec["volumes"]) if "claimName" in node]
        assert {spec["serviceAccountName"]} == {account["metadata"]["name"] for account in plain("ServiceAccount")}
        assert set(claims) == {claim["metadata"]["name"] for claim in plain("PersistentVolumeClaim")}

    @pytest.mark.parametrize("name", pods())
    def test_mounted_volumes_are_there(self, name: str) -> None:
        spec = pods()[name]["spec"]
        mounted = [mount["name"] for container in spec["containers"] for mount in container.get("volumeMounts", ())]
        assert mounted == [volume["name"] for volume in spec.get("volumes", ())]

    def test_all_is_in_the_namespace(self) -> None:
        plain_files = [*PLAIN, RAY, read(KUBERNETES / "network-policy.yaml"), job()["job_manifest"]]
        assert {document["metadata"]["namespace"] for document in plain_files} == {"distilrank"}
        assert re.findall(r"create namespace (\S+)", README) == ["distilrank"]


class TestSecurity:
    @pytest.mark.parametrize("name", pods())
    def test_pods_are_not_root_and_hold_no_token(self, name: str) -> None:
        spec = pods()[name]["spec"]
        assert spec["automountServiceAccountToken"] is False
        assert spec["securityContext"]["runAsNonRoot"] and spec["securityContext"]["runAsUser"] == 1000
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        for container in spec["containers"]:
            security = container["securityContext"]
            assert security["allowPrivilegeEscalation"] is False and security["capabilities"] == {"drop": ["ALL"]}
            assert "memory" in container["resources"]["limits"]

    @pytest.mark.parametrize("values", [SERVER["server"], WORKER["worker"]], ids=["server", "worker"])
    def test_prefect_is_not_root_and_asks_for_a_password(self, values: dict[str, Any]) -> None:
        auth = values.get("selfHostedServerApiConfig", values)["basicAuth"]
        assert auth == {"enabled": True, "existingSecret": "prefect-auth"}
        assert values["podSecurityContext"]["runAsNonRoot"] and values["podSecurityContext"]["runAsUser"] == 1001
        assert values["containerSecurityContext"]["capabilities"] == {"drop": ["ALL"]}

    def test_services_are_of_the_cluster_alone(self) -> None:
        (serving,) = plain("Service")
        head = RAY["spec"]["headGroupSpec"]["serviceType"]
        assert {SERVER["service"]["type"], MLFLOW["service"]["type"], serving["spec"]["type"], head} == {"ClusterIP"}

    def test_the_namespace_is_closed_to_others(self) -> None:
        assert read(KUBERNETES / "network-policy.yaml")["spec"] == {
            "podSelector": {},
            "policyTypes": ["Ingress"],
            "ingress": [{"from": [{"podSelector": {}}]}],
        }


class TestMlflow:
    # Its chart has no schema: these are the keys of its values.yaml that are used.
    KEYS = ("env", "fullnameOverride", "image", "mlflow", "podSecurityContext", "resources", "securityContext")

    def test_values_are_those_of_the_chart(self) -> None:
        assert sorted(MLFLOW) == sorted([*self.KEYS, "server", "service"])
        assert set(MLFLOW["server"]) == {"value_options", "flag_options"}
        assert set(MLFLOW["mlflow"]) == {"backendStoreUriFrom", "artifactsDestination"}
        assert MLFLOW["podSecurityContext"]["runAsNonRoot"]

    def test_answers_to_known_hosts_and_unpickles_nothing(self) -> None:
        hosts = MLFLOW["server"]["value_options"]["allowed_hosts"].split(",")
        address = f"{MLFLOW['fullnameOverride']}:{MLFLOW['server']['value_options']['port']}"
        assert "*" not in hosts and address in hosts
        assert {"name": "MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "value": "false"} in MLFLOW["env"]
        # A link to a file lasts as long as a command waits.
        assert {"name": "MLFLOW_PRESIGNED_DOWNLOAD_URL_TTL_SECONDS", "value": "3600"} in MLFLOW["env"]
        for name in ("flow", "serving"):
            assert env(pods()[name]["spec"]["containers"][0])["MLFLOW_TRACKING_URI"] == f"http://{address}"


class TestFlows:
    def test_the_pools_variables_are_those_of_its_job_and_fit_their_types(self) -> None:
        declared = POOL["variables"]["properties"]
        assert {found.name for found in find_placeholders(json.dumps(POOL["job_configuration"]))} == set(declared)
        Draft7Validator.check_schema(POOL["variables"])
        defaults = {name: variable["default"] for name, variable in declared.items() if "default" in variable}
        assert faults(POOL["variables"], defaults) == []
        assert not find_placeholders(json.dumps(job(name="a", command="b")))

    def test_a_pod_has_what_pushes_tells_of_failures_and_keeps_downloads(self) -> None:
        (container,) = flow_pod()["spec"]["containers"]
        given = env(container)
        for name, key in (("AWS_ACCESS_KEY_ID", "access-key-id"), ("AWS_SECRET_ACCESS_KEY", "secret-access-key")):
            assert given[name] == {"secretKeyRef": {"name": "flow-objects", "key": key}}
        # AWS itself has no address to give, and not everybody has a webhook.
        assert given["AWS_ENDPOINT_URL"]["secretKeyRef"]["optional"]
        assert given["DISTILRANK_WEBHOOK"]["secretKeyRef"]["optional"]
        mounts = {mount["name"]: Path(mount["mountPath"]) for mount in container["volumeMounts"]}
        assert mounts["cache"] in Path(given["DISTILRANK_CACHE"]).parents
        assert str(mounts["project"]) == container["workingDir"]

    @pytest.mark.parametrize("gpus", [0, 2])
    def test_a_run_chooses_gpus_image_and_account(self, gpus: int) -> None:
        # As `prefect deployment run --job-variable` reads them: numbers are numbers.
        chosen = {"gpus": gpus, "cpu": 2, "memory": "8Gi", "image": "mine:1", "service_account_name": "trainer"}
        assert faults(POOL["variables"], chosen) == []
        spec = flow_pod(**chosen)["spec"]
        (container,) = spec["containers"]
        # Kubernetes takes GPUs in equal numbers alone.
        assert container["resources"] == {
            "requests": {"cpu": 2, "memory": "8Gi", "nvidia.com/gpu": gpus},
            "limits": {"memory": "8Gi", "nvidia.com/gpu": gpus},
        }
        assert (container["image"], spec["serviceAccountName"]) == ("mine:1", "trainer")

    def test_a_run_has_a_gpu_by_default(self) -> None:
        (container,) = flow_pod()["spec"]["containers"]
        assert container["resources"]["limits"]["nvidia.com/gpu"] == 1 and "-gpu:" in container["image"]

    def test_flows_find_ray_and_its_gpus(self) -> None:
        assert env(flow_pod()["spec"]["containers"][0])["RAY_CLUSTER"] == f"{RAY['metadata']['name']}-head-svc:6379"
        (container,) = pods()["ray worker"]["spec"]["containers"]
        assert container["resources"]["limits"]["nvidia.com/gpu"] == "1" and "gpu" in container["image"]

    def test_the_worker_polls_the_pool_of_the_deployments(self) -> None:
        pools = {deployment["work_pool"]["name"] for deployment in read(ROOT / "prefect.yaml")["deployments"]}
        assert pools == {WORKER["worker"]["config"]["workPool"]}

    def test_pages_are_where_the_server_shows_them(self) -> None:
        (given,) = WORKER["worker"]["extraEnvVars"]
        assert given["name"] == "PREFECT_UI_URL" and given in SERVER["global"]["prefect"]["env"]
        assert SERVER["server"]["uiConfig"]["prefectUiApiUrl"] == f"{given['value']}/api"


class TestServing:
    def test_the_service_finds_the_pods(self) -> None:
        (service,), (deployment,) = plain("Service"), plain("Deployment")
        labels = deployment["spec"]["template"]["metadata"]["labels"]
        assert service["spec"]["selector"] == deployment["spec"]["selector"]["matchLabels"] == labels
        (port,) = service["spec"]["ports"]
        (container,) = deployment["spec"]["template"]["spec"]["containers"]
        assert {"name": port["targetPort"], "containerPort": port["port"]} in container["ports"]

    def test_the_champion_is_served_and_probed_by_what_mlflow_answers(self) -> None:
        (container,) = pods()["serving"]["spec"]["containers"]
        (command,) = re.findall(r"^CMD .*$", (INFRA / "Dockerfile").read_text("utf-8"), re.M)
        assert "models:/$SERVED_MODEL@champion --env-manager local" in command
        assert f"-p {container['ports'][0]['containerPort']}" in command
        assert env(container)["SERVED_MODEL"]
        probes = [container[f"{kind}Probe"]["httpGet"] for kind in ("startup", "readiness", "liveness")]
        assert all(probe == {"path": "/ping", "port": "http"} for probe in probes)
        assert {"requests", "limits"} == set(container["resources"])

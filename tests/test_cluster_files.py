"""`cluster.yaml` against the schema that Ray ships, and `jobs/kubernetes/` against what a run needs.

Neither a cloud nor Kubernetes is there to try them on.
"""

import re
import shlex
import tomllib
from pathlib import Path
from typing import Any

import pytest
import ray
import yaml
from packaging.requirements import Requirement
from packaging.version import Version
from ray.autoscaler._private.util import prepare_config, validate_config

ROOT = Path(__file__).parents[1]
KUBERNETES = ROOT / "jobs" / "kubernetes"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
START_COMMANDS = ("head_start_ray_commands", "worker_start_ray_commands")


@pytest.fixture(scope="module")
def cluster() -> dict[str, Any]:
    """The launcher's file as it is written."""
    return load(ROOT / "cluster.yaml")


@pytest.fixture(scope="module")
def rayjob() -> dict[str, Any]:
    """The spec of the RayJob."""
    return objects()["RayJob"]["spec"]


@pytest.fixture(scope="module")
def dockerfile() -> str:
    return (KUBERNETES / "Dockerfile").read_text("utf-8")


def load(path: Path) -> dict[str, Any]:
    return yaml.safe_load(path.read_text("utf-8"))


def objects() -> dict[str, dict[str, Any]]:
    """Return the Kubernetes objects by kind."""
    documents = yaml.safe_load_all((KUBERNETES / "rayjob.yaml").read_text("utf-8"))
    return {document["kind"]: document for document in documents}


def containers(rayjob: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the container of head, worker and submitter."""
    cluster = rayjob["rayClusterSpec"]
    templates = {
        "head": cluster["headGroupSpec"]["template"],
        "worker": cluster["workerGroupSpecs"][0]["template"],
        "submitter": rayjob["submitterPodTemplate"],
    }
    return {role: template["spec"]["containers"][0] for role, template in templates.items()}


def requirement(name: str) -> Requirement:
    """Return the project's own requirement of a package."""
    return next(Requirement(text) for text in PROJECT["dependencies"] if Requirement(text).name == name)


def assert_extras_exist(text: str) -> None:
    named = re.findall(r"(?:igbatch|\.)\[([\w,]+)\]", text)
    assert named
    for extra in named[0].split(","):
        assert extra in PROJECT["optional-dependencies"], extra


def test_the_launcher_takes_the_file(cluster: dict[str, Any]) -> None:
    prepared = prepare_config(cluster)
    validate_config(prepared)  # Ray's own schema and checks, as `ray up` applies them
    nodes = prepared["available_node_types"]
    for name, node in nodes.items():
        assert 0 <= node["min_workers"] <= node["max_workers"] <= cluster["max_workers"], name
        assert {"InstanceType", "ImageId", "BlockDeviceMappings", "IamInstanceProfile"} <= set(
            node["node_config"]
        )
    assert nodes[cluster["head_node_type"]]["max_workers"] == 0
    assert any(node["min_workers"] > 0 for node in nodes.values())


def test_the_schema_sees_a_wrong_key(cluster: dict[str, Any]) -> None:
    with pytest.raises(Exception, match="idle_timeout"):
        validate_config(prepare_config({**cluster, "idle_timeout": 5}))


@pytest.mark.parametrize("commands", START_COMMANDS)
def test_every_node_asks_for_the_token(cluster: dict[str, Any], commands: str) -> None:
    start = cluster[commands][-1]
    exported, _, command = start.rpartition(";")
    assert "export" in exported
    assert "RAY_AUTH_MODE=token" in exported
    assert "RAY_USAGE_STATS_ENABLED=0" in exported
    words = shlex.split(command)
    assert words[:2] == ["ray", "start"]
    options = dict(word.removeprefix("--").partition("=")[::2] for word in words[2:])
    assert int(options["object-store-memory"]) <= 2**30
    if "head" in options:
        assert options["dashboard-host"] == "127.0.0.1"
        assert options["autoscaling-config"] == "~/ray_bootstrap_config.yaml"
    else:
        assert options["address"] == "$RAY_HEAD_IP:6379"


def test_the_options_of_ray_start_exist(cluster: dict[str, Any]) -> None:
    from ray.scripts.scripts import start

    known = {option for parameter in start.params for option in parameter.opts}
    for commands in START_COMMANDS:
        assert set(re.findall(r"--[\w-]+", cluster[commands][-1])) <= known


def test_the_token_travels_and_is_closed(cluster: dict[str, Any]) -> None:
    assert cluster["file_mounts"]["~/.ray/auth_token"] == "~/.ray/auth_token"
    assert any("chmod 600 ~/.ray/auth_token" in command for command in cluster["setup_commands"])


def test_the_nodes_install_this_project(cluster: dict[str, Any]) -> None:
    mounted = [remote for remote, local in cluster["file_mounts"].items() if local == "."]
    assert cluster["rsync_filter"] == [".gitignore"]
    install = next(command for command in cluster["setup_commands"] if "pip install" in command)
    source = mounted[0].replace("~", "$HOME")
    assert f'"{source}[' in install
    assert_extras_exist(install)
    pinned = re.search(r"ray\[default\]==([\d.]+)", install)
    assert pinned
    assert Version(pinned[1]) in requirement("ray").specifier


def test_one_version_of_ray_everywhere(
    cluster: dict[str, Any], rayjob: dict[str, Any], dockerfile: str
) -> None:
    image = re.search(r"^ARG RAY_VERSION=([\d.]+)$", dockerfile, re.MULTILINE)
    assert image
    assert rayjob["rayClusterSpec"]["rayVersion"] == image[1]
    assert f"ray[default]=={image[1]}" in " ".join(cluster["setup_commands"])
    assert Version(image[1]) in requirement("ray").specifier
    assert Version(image[1]) >= Version("2.54")  # tokens; CVE-2026-27482
    assert Version(image[1]).release[:1] == Version(ray.__version__).release[:1]


def test_the_image_holds_what_it_installs_and_runs(rayjob: dict[str, Any], dockerfile: str) -> None:
    assert "FROM rayproject/ray:${RAY_VERSION}-py" in dockerfile
    assert '"ray[default]==${RAY_VERSION}"' in dockerfile
    assert_extras_exist(dockerfile)
    copied = [
        source
        for line in re.findall(r"^COPY --chown=\S+ (.*)$", dockerfile, re.MULTILINE)
        for source in line.split()[:-1]
    ]
    for source in copied:
        assert (ROOT / source).exists(), source
    assert {"pyproject.toml", "igbatch", "jobs", PROJECT["readme"]} <= set(copied)
    script = shlex.split(rayjob["entrypoint"])[1]
    assert (ROOT / script).is_file()
    assert Path(script).parts[0] in copied
    working_directory = re.search(r"^WORKDIR (.*)$", dockerfile, re.MULTILINE)
    assert working_directory
    assert yaml.safe_load(rayjob["runtimeEnvYAML"]) == {"working_dir": working_directory[1]}


def test_the_entrypoint_is_a_call_of_ours(rayjob: dict[str, Any]) -> None:
    from igbatch.study_file import load_study

    program, script, *options = shlex.split(rayjob["entrypoint"])
    assert program == "python"
    values = [options[place + 1] for place, option in enumerate(options) if option == "--set"]
    load_study(ROOT / Path(script).with_suffix(".yaml"), values)
    assert options[options.index("--out") + 1].startswith("s3://")
    workers = next(int(value.partition("=")[2]) for value in values if value.startswith("run.workers="))
    assert workers <= rayjob["rayClusterSpec"]["workerGroupSpecs"][0]["maxReplicas"]


def test_the_rayjob_ends_and_starts_again(rayjob: dict[str, Any]) -> None:
    assert objects()["RayJob"]["apiVersion"] == "ray.io/v1"
    assert rayjob["submissionMode"] == "K8sJobMode"
    assert rayjob["shutdownAfterJobFinishes"] is True
    for field in ("ttlSecondsAfterFinished", "activeDeadlineSeconds", "backoffLimit"):
        assert type(rayjob[field]) is int, field
        assert rayjob[field] > 0, field


def test_the_rayjob_asks_for_tokens_and_gpus(rayjob: dict[str, Any]) -> None:
    cluster = rayjob["rayClusterSpec"]
    assert cluster["authOptions"] == {"mode": "token"}
    assert cluster["enableInTreeAutoscaling"] is True
    (group,) = cluster["workerGroupSpecs"]
    assert 0 < group["minReplicas"] <= group["replicas"] <= group["maxReplicas"]
    for role, container in containers(rayjob).items():
        resources = container["resources"]
        assert {"cpu", "memory"} <= set(resources["requests"]), role
        assert ("nvidia.com/gpu" in resources["limits"]) == (role == "worker")
    account = objects()["ServiceAccount"]["metadata"]["name"]
    for pods in (cluster["headGroupSpec"], group):
        assert pods["template"]["spec"]["serviceAccountName"] == account
        assert all(isinstance(value, str) for value in pods["rayStartParams"].values())
    assert len({container["image"] for container in containers(rayjob).values()}) == 1


def test_no_file_holds_a_key(dockerfile: str) -> None:
    for path in (ROOT / "cluster.yaml", *KUBERNETES.iterdir()):
        text = path.read_text("utf-8")
        assert not re.search(r"AKIA|SECRET_ACCESS_KEY|aws_secret|password", text, re.IGNORECASE), path.name

"""The schedules in `jobs/kubernetes/`: against Kubernetes' published schemas, and KubeRay's fields by name.

`kubernetes-validate` carries the schemas of Kubernetes. No package carries those of KubeRay: its fields are
listed here as its API reference has them, and the pods within are checked as those of Kubernetes.
"""

import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from igbatch.nightly.commands import COMMANDS, TIMES
from igbatch.study_file import load_study

kubernetes_validate = pytest.importorskip("kubernetes_validate")

ROOT = Path(__file__).parents[1]
KUBERNETES = ROOT / "jobs" / "kubernetes"
VERSION = "1.31"
"""The oldest Kubernetes that the manifests are for."""

CRON_JOB_FIELDS = {"schedule", "jobTemplate", "suspend"}  # of a RayCronJob of KubeRay 1.6
JOB_FIELDS = {
    "activeDeadlineSeconds", "backoffLimit", "clusterSelector", "deletionStrategy", "entrypoint",
    "entrypointNumCpus", "entrypointNumGpus", "entrypointResources", "jobId", "managedBy", "metadata",
    "preRunningDeadlineSeconds", "rayClusterSpec", "runtimeEnvYAML", "shutdownAfterJobFinishes",
    "submissionMode", "submitterConfig", "submitterPodTemplate", "suspend", "ttlSecondsAfterFinished",
}  # fmt: skip
CLUSTER_FIELDS = {
    "authOptions", "autoscalerOptions", "enableInTreeAutoscaling", "gcsFaultToleranceOptions",
    "headGroupSpec", "headServiceAnnotations", "managedBy", "rayVersion", "suspend", "upgradeStrategy",
    "workerGroupSpecs",
}  # fmt: skip
GROUP_FIELDS = {
    "groupName", "idleTimeoutSeconds", "labels", "maxReplicas", "minReplicas", "numOfHosts",
    "rayStartParams", "replicas", "resources", "scaleStrategy", "suspend", "template",
}  # fmt: skip
HEAD_FIELDS = {
    "enableIngress", "headService", "labels", "rayStartParams", "resources", "serviceType", "template",
}  # fmt: skip


def documents(name: str) -> dict[str, dict[str, Any]]:
    """Return the objects of a file by kind; a key that stands twice is an error."""
    text = (KUBERNETES / name).read_text("utf-8")
    return {each["kind"]: each for each in yaml.load_all(text, StrictLoader)}


class StrictLoader(yaml.SafeLoader):
    """YAML in which no key stands twice in a mapping: kubectl takes the last one and says nothing."""

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:
        keys = [key.value for key, _ in node.value]
        assert len(keys) == len(set(keys)), f"a key stands twice: {keys}"
        return super().construct_mapping(node, deep)


@pytest.fixture(scope="module")
def cron_job() -> dict[str, Any]:
    return documents("cronjob.yaml")["CronJob"]


@pytest.fixture(scope="module")
def ray_cron_job() -> dict[str, Any]:
    return documents("raycronjob.yaml")["RayCronJob"]


def pods(spec: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the pod templates of a RayJob's spec."""
    cluster = spec["rayClusterSpec"]
    yield cluster["headGroupSpec"]["template"]
    yield from (group["template"] for group in cluster["workerGroupSpecs"])
    yield spec["submitterPodTemplate"]


def check(thing: dict[str, Any]) -> None:
    kubernetes_validate.validate(thing, VERSION, strict=True)


def test_the_cron_job_is_one_of_kubernetes() -> None:
    for thing in documents("cronjob.yaml").values():
        check(thing)


def test_the_schema_sees_a_wrong_key_and_value(cron_job: dict[str, Any]) -> None:
    for wrong in ({"concurrency": "Forbid"}, {"startingDeadlineSeconds": "1h"}):
        with pytest.raises(kubernetes_validate.ValidationError):
            check({**cron_job, "spec": {**cron_job["spec"], **wrong}})


def test_the_cron_job_runs_one_night_and_tries_again_what_is_not_finished(cron_job: dict[str, Any]) -> None:
    assert cron_job["spec"]["concurrencyPolicy"] == "Forbid"
    job = cron_job["spec"]["jobTemplate"]["spec"]
    pod = job["template"]["spec"]
    assert pod["restartPolicy"] == "Never"  # a policy for exit codes needs it
    (rule,) = job["podFailurePolicy"]["rules"]
    assert rule["action"] == "FailJob"
    assert rule["onExitCodes"] == {"containerName": pod["containers"][0]["name"], "operator": "In",
                                   "values": [1, 2]}  # fmt: skip


def test_the_pod_submits_a_night_and_ends_as_its_verdict_says(
    cron_job: dict[str, Any], tmp_path: Path
) -> None:
    (container,) = cron_job["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"]
    shell, option, script = container["command"]
    (tmp_path / "ray").write_text('#!/bin/bash\nprintf "%s\\n" "$@" > ray.txt\nexit 1\n')
    (tmp_path / "igbatch").write_text('#!/bin/bash\nprintf "%s\\n" "$@" > igbatch.txt\nexit 3\n')
    for name in ("ray", "igbatch"):
        (tmp_path / name).chmod(0o755)
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin", "ROOT": "s3://bucket/nightly"}
    done = subprocess.run([shell, option, script], cwd=tmp_path, env=environment, check=False)
    assert done.returncode == 3  # the verdict's, whatever `ray job submit` says
    submitted = (tmp_path / "ray.txt").read_text().split("\n")
    assert submitted[:2] == ["job", "submit"]
    check_call(submitted[submitted.index("--") + 1 : -1])
    arguments = (tmp_path / "igbatch.txt").read_text().split()
    assert arguments[:3] == ["nights", "s3://bucket/nightly", "--since"]
    command = next(each for each in COMMANDS if each.name == "nights")
    assert command.make_context("nights", arguments[1:]).params["since"] is not None
    assert re.fullmatch(r"\d{8}T\d{6}Z", arguments[3])
    assert TIMES[0] == "%Y%m%dT%H%M%SZ"


@pytest.fixture(autouse=True)
def no_store(monkeypatch: pytest.MonkeyPatch) -> None:
    """Manifests name stores that nobody has: a call of theirs is read here, and no store is asked."""
    monkeypatch.setattr("igbatch.store_errors.require_reachable", lambda uri, key: None)


def check_call(call: list[str]) -> None:
    """Check that a call of a nightly script is one, and its overrides with it."""
    program, script, *options = call
    assert program == "python"
    assert (ROOT / script).is_file()
    night = next(each for each in COMMANDS if each.name == "night")
    study = str((ROOT / script).with_suffix(".yaml"))
    options = night.make_context("night", [study, *options]).params
    assert options["out"].startswith("s3://")
    assert options["at_most_every"] > 0  # what is tried again must not run a second night
    load_study(study, options["overrides"])


def test_the_names_of_kuberays_fields(ray_cron_job: dict[str, Any]) -> None:
    assert ray_cron_job["apiVersion"] == "ray.io/v1"
    assert set(ray_cron_job["spec"]) <= CRON_JOB_FIELDS
    job = ray_cron_job["spec"]["jobTemplate"]
    assert set(job) <= JOB_FIELDS
    cluster = job["rayClusterSpec"]
    assert set(cluster) <= CLUSTER_FIELDS
    assert set(cluster["headGroupSpec"]) <= HEAD_FIELDS
    assert all(set(group) <= GROUP_FIELDS for group in cluster["workerGroupSpecs"])
    assert len(ray_cron_job["metadata"]["name"]) <= 47  # names of jobs and clusters are made from it
    assert re.fullmatch(r"(\S+ ){4}\S+", ray_cron_job["spec"]["schedule"])


@pytest.mark.parametrize("name", ["rayjob.yaml", "raycronjob.yaml"])
def test_the_pods_within_are_those_of_kubernetes(name: str) -> None:
    found = documents(name)
    job = found["RayJob"]["spec"] if "RayJob" in found else found["RayCronJob"]["spec"]["jobTemplate"]
    for template in pods(job):
        check({"apiVersion": "v1", "kind": "PodTemplate", "metadata": {"name": "x"}, "template": template})
    check(found["ServiceAccount"])


def test_the_night_is_the_ray_job_but_for_what_it_calls(ray_cron_job: dict[str, Any]) -> None:
    job, night = documents("rayjob.yaml")["RayJob"]["spec"], ray_cron_job["spec"]["jobTemplate"]
    differ = {key for key in {*job, *night} if job.get(key) != night.get(key)}
    assert differ == {"entrypoint", "backoffLimit", "activeDeadlineSeconds", "rayClusterSpec"}
    (head,) = night["rayClusterSpec"]["headGroupSpec"]["template"]["spec"]["containers"]
    (variable,) = head.pop("env")  # the night itself tells the webhook, whose URL is a secret
    assert variable["valueFrom"]["secretKeyRef"]["optional"] is True
    assert job["rayClusterSpec"] == night["rayClusterSpec"]
    check_call(shlex.split(night["entrypoint"]))


@pytest.mark.parametrize("name", ["cronjob.yaml", "raycronjob.yaml"])
def test_every_account_is_that_of_the_ray_job(name: str) -> None:
    assert documents(name)["ServiceAccount"] == documents("rayjob.yaml")["ServiceAccount"]

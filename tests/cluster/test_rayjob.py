"""``jobs/rayjob.yaml`` and ``Dockerfile``: what Kubernetes, KubeRay, Ray and our own command line think of them.

The fields of KubeRay's own kinds are those of its API reference, version 1.6; the pods in them are held against the
types of Kubernetes' own client.
"""

import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement

from w2vray.cli import with_verbs

client = pytest.importorskip("kubernetes.client", reason="the extra `test` is not installed")

ROOT = Path(__file__).parents[2]
POD = "V1PodTemplateSpec"
FIELDS: dict[str, dict[str, str]] = {
    "RayJob": {"apiVersion": "str", "kind": "str", "metadata": "V1ObjectMeta", "spec": "RayJobSpec"},
    "RayJobSpec": {
        "activeDeadlineSeconds": "int",
        "backoffLimit": "int",
        "clusterSelector": "dict(str, str)",
        "entrypoint": "str",
        "entrypointNumCpus": "float",
        "entrypointNumGpus": "float",
        "entrypointResources": "str",
        "jobId": "str",
        "managedBy": "str",
        "metadata": "dict(str, str)",
        "rayClusterSpec": "RayClusterSpec",
        "runtimeEnvYAML": "str",
        "shutdownAfterJobFinishes": "bool",
        "submissionMode": "str",
        "submitterPodTemplate": POD,
        "suspend": "bool",
        "ttlSecondsAfterFinished": "int",
    },
    "RayClusterSpec": {
        "authOptions": "AuthOptions",
        "autoscalerOptions": "AutoscalerOptions",
        "enableInTreeAutoscaling": "bool",
        "headGroupSpec": "HeadGroupSpec",
        "headServiceAnnotations": "dict(str, str)",
        "managedBy": "str",
        "rayVersion": "str",
        "suspend": "bool",
        "workerGroupSpecs": "list[WorkerGroupSpec]",
    },
    "AuthOptions": {"mode": "str", "secretName": "str"},
    "AutoscalerOptions": {
        "env": "list[V1EnvVar]",
        "idleTimeoutSeconds": "int",
        "image": "str",
        "imagePullPolicy": "str",
        "resources": "V1ResourceRequirements",
        "upscalingMode": "str",
        "version": "str",
    },
    "HeadGroupSpec": {
        "enableIngress": "bool",
        "headService": "V1Service",
        "rayStartParams": "dict(str, str)",
        "serviceType": "str",
        "template": POD,
    },
    "WorkerGroupSpec": {
        "groupName": "str",
        "maxReplicas": "int",
        "minReplicas": "int",
        "numOfHosts": "int",
        "rayStartParams": "dict(str, str)",
        "replicas": "int",
        "template": POD,
    },
}
PLAIN: dict[str, Any] = {"str": str, "int": int, "float": (int, float), "bool": bool}
Job = dict[str, Any]


@pytest.fixture
def job() -> Job:
    """The file, each of its parts by itself."""
    loaded: Job = _by_value(yaml.safe_load((ROOT / "jobs" / "rayjob.yaml").read_text()))
    return loaded


def _by_value(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _by_value(part) for key, part in value.items()}
    return [_by_value(part) for part in value] if isinstance(value, list) else value


def troubles(value: Any, kind: str, place: str) -> Iterator[str]:
    """Say what of a value is not as its kind has it: fields that there are not, and values of other types."""
    if kind in {"object", "datetime"}:
        return
    if kind.startswith("list["):
        if not isinstance(value, list):
            yield f"{place} is no list"
            return
        for number, part in enumerate(value):
            yield from troubles(part, kind[5:-1], f"{place}[{number}]")
    elif kind.startswith("dict("):
        for name, part in value.items():
            yield from troubles(part, kind.removeprefix("dict(str, ")[:-1], f"{place}.{name}")
    elif kind in PLAIN:
        if not isinstance(value, PLAIN[kind]) or (kind != "bool" and isinstance(value, bool)):
            yield f"{place} is {value!r}, which is no {kind}"
    else:
        fields = FIELDS.get(kind) or _of_kubernetes(kind)
        for name, part in value.items():
            if name not in fields:
                yield f"{place}.{name} is no field of {kind}"
            else:
                yield from troubles(part, fields[name], f"{place}.{name}")


def _of_kubernetes(kind: str) -> dict[str, str]:
    model = getattr(client, kind)
    return {field: model.openapi_types[name] for name, field in model.attribute_map.items()}


def pods(job: Job) -> dict[str, Job]:
    """The pods' specifications by their groups' names."""
    cluster = job["spec"]["rayClusterSpec"]
    groups = {"head": cluster["headGroupSpec"]} | {group["groupName"]: group for group in cluster["workerGroupSpecs"]}
    return {name: group["template"]["spec"] for name, group in groups.items()}


def test_each_field_is_one_that_kuberay_and_kubernetes_know(job: Job) -> None:
    assert (job["apiVersion"], job["kind"]) == ("ray.io/v1", "RayJob")
    assert list(troubles(job, "RayJob", "")) == []


@pytest.mark.parametrize(
    ("path", "name", "value", "told"),
    [
        (("spec",), "backOffLimit", 3, ".spec.backOffLimit is no field of RayJobSpec"),
        (("spec",), "backoffLimit", "3", ".spec.backoffLimit is '3', which is no int"),
        (
            ("spec", "rayClusterSpec", "headGroupSpec", "rayStartParams"),
            "num-cpus",
            0,
            ".spec.rayClusterSpec.headGroupSpec.rayStartParams.num-cpus is 0, which is no str",
        ),
        (
            ("spec", "rayClusterSpec", "headGroupSpec", "template", "spec"),
            "serviceAcount",
            "mine",
            ".spec.rayClusterSpec.headGroupSpec.template.spec.serviceAcount is no field of V1PodSpec",
        ),
    ],
)
def test_what_they_do_not_know_is_found(job: Job, path: tuple[str, ...], name: str, value: object, told: str) -> None:
    """The check above can fail."""
    part = job
    for key in path:
        part = part[key]
    part[name] = value
    assert list(troubles(job, "RayJob", "")) == [told]


def test_the_command_is_one_of_ours(job: Job) -> None:
    """Its options are known, and its places are all in the bucket: nothing is on one node's disk."""
    program, verb, *arguments = shlex.split(job["spec"]["entrypoint"])
    assert (program, verb) == ("w2vray", "score")
    command = with_verbs().commands[verb]
    parsed = command.make_context(verb, arguments).params
    assert [parsed["corpus"], parsed["model"], parsed["output"]] == [
        ("s3://REPLACE/reviews",),
        "s3://REPLACE/model",
        "s3://REPLACE/run",
    ]


def test_no_work_goes_to_the_head_and_idle_groups_cost_nothing(job: Job) -> None:
    cluster = job["spec"]["rayClusterSpec"]
    assert cluster["headGroupSpec"]["rayStartParams"]["num-cpus"] == "0"
    assert cluster["enableInTreeAutoscaling"]
    assert [group["minReplicas"] for group in cluster["workerGroupSpecs"]] == [0, 0]
    assert all(group["maxReplicas"] > 0 for group in cluster["workerGroupSpecs"])
    assert job["spec"]["shutdownAfterJobFinishes"]


def test_a_retry_and_a_token_are_asked_for(job: Job) -> None:
    assert job["spec"]["backoffLimit"] > 0
    assert job["spec"]["rayClusterSpec"]["authOptions"] == {"mode": "token"}


def test_the_object_store_of_each_node_holds_three_million_vectors_and_fits_its_memory(job: Job) -> None:
    cluster = job["spec"]["rayClusterSpec"]
    for group in [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]:
        stored = int(group["rayStartParams"]["object-store-memory"])
        (container,) = group["template"]["spec"]["containers"]
        memory = container["resources"]["limits"]["memory"]
        assert memory.endswith("Gi")
        assert 3_000_000 * 300 * 4 <= stored <= int(memory[:-2]) * 2**30 // 2
        assert container["resources"]["limits"] == container["resources"]["requests"]


def test_every_node_has_one_image_and_one_account(job: Job) -> None:
    assert {pod["containers"][0]["image"] for pod in pods(job).values()} == {"REPLACE/w2vray:1"}
    assert {pod["serviceAccountName"] for pod in pods(job).values()} == {"REPLACE"}
    assert [name for name, pod in pods(job).items() if "nvidia.com/gpu" in str(pod["containers"])] == ["gpu"]


def test_the_image_has_the_ray_and_the_python_of_the_other_cluster_and_what_the_project_declares(job: Job) -> None:
    """One version of Ray in the image, in ``rayVersion`` and in ``cluster.yaml``; torch and extras as in pyproject."""
    text = (ROOT / "Dockerfile").read_text()
    ray = re.findall(r"ray\[data,default,train\]==([\d.]+)", text)
    launcher = yaml.safe_load((ROOT / "cluster.yaml").read_text())["docker"]["image"]
    (python,) = re.findall(r"^FROM python:(\d+)\.(\d+)-slim$", text, re.MULTILINE)
    assert ray == [job["spec"]["rayClusterSpec"]["rayVersion"]]
    assert launcher == f"rayproject/ray:{ray[0]}-py{''.join(python)}-cpu"
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    declared = {requirement.name: requirement for requirement in map(Requirement, project["dependencies"])}
    (torch,) = re.findall(r'"(torch[^"]+)"', text)
    assert Requirement(torch) == declared["torch"]
    assert declared["ray"].specifier.contains(ray[0])
    (extras,) = re.findall(r"/source\[([\w,]+)\]", text)
    assert set(extras.split(",")) <= set(project["optional-dependencies"])


def test_what_the_image_is_made_of_is_let_through_to_the_build() -> None:
    """``.dockerignore`` leaves out all but what the Dockerfile copies."""
    text = (ROOT / "Dockerfile").read_text()
    copied = [word for line in re.findall(r"^COPY (.*) \S+$", text, re.MULTILINE) for word in line.split()]
    let_through = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    assert sorted(copied) == sorted(let_through)
    assert all((ROOT / name).exists() for name in copied)

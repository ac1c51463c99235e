"""The manifests for Kubernetes: of its kinds, at one with each other and with the compiled pipelines."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from drumline.kubeflow import compile as compiling
from drumline.kubeflow import train_job

from tests.kubeflow.test_serving_files import check

ROOT = Path(__file__).parents[2]
MANIFESTS = ROOT / "kubeflow" / "manifests"
FOLDERS = sorted(file.parent for file in MANIFESTS.rglob("kustomization.yaml"))
STORAGES = ("minio", "s3", "gcs")
KUSTOMIZE = {"kustomize": ["build"], "kubectl": ["kustomize"]}
IMAGE_OF_SERVING = "tensorflow/serving"
Document = dict[str, Any]


def kustomization(folder: Path) -> Document:
    return yaml.safe_load((folder / "kustomization.yaml").read_text())


def documents(folder: Path) -> Iterator[Document]:
    """All that a kustomization names, and those that it names."""
    for resource in kustomization(folder)["resources"]:
        if (folder / resource).is_dir():
            yield from documents(folder / resource)
        else:
            yield from yaml.safe_load_all((folder / resource).read_text())


ALL = {
    (document["kind"], document["metadata"]["name"]): document for folder in FOLDERS for document in documents(folder)
}


def of_kind(kind: str) -> dict[str, Document]:
    return {name: document for (its, name), document in ALL.items() if its == kind}


def pods() -> Iterator[Document]:
    """Each pod, or its template."""
    yield from of_kind("Pod").values()
    for document in (*of_kind("Job").values(), *of_kind("Deployment").values()):
        yield document["spec"]["template"]
    for runtime in of_kind("TrainingRuntime").values():
        for job in runtime["spec"]["template"]["spec"]["replicatedJobs"]:
            yield job["template"]["spec"]["template"]


def test_every_file_is_named_by_a_kustomization():
    named = {
        (folder / resource).resolve()
        for folder in FOLDERS
        for resource in (*kustomization(folder)["resources"], "kustomization.yaml", "providers.yaml")
    }
    assert {file for file in MANIFESTS.rglob("*") if file.is_file()} <= named
    for folder in FOLDERS:
        assert kustomization(folder)["namespace"] == "kubeflow"
        for generated in kustomization(folder).get("configMapGenerator", ()):
            for file in generated.get("files", ()):
                assert (folder / file.partition("=")[2]).exists()


@pytest.mark.parametrize("document", ALL.values(), ids=lambda document: document["kind"])
def test_each_kind_is_kubernetes_own(document):
    if document["kind"] != "TrainingRuntime":
        check(document, f"V1{document['kind']}", document["kind"])
        return
    assert document["apiVersion"] == "trainer.kubeflow.org/v1alpha1"
    assert set(document["spec"]) == {"mlPolicy", "template"}
    for job in document["spec"]["template"]["spec"]["replicatedJobs"]:
        assert set(job) == {"name", "template"}
        check(job["template"], "V1JobTemplateSpec", "TrainingRuntime")


def test_all_mount_the_one_claim_where_the_steps_do():
    assert set(of_kind("PersistentVolumeClaim")) == {compiling.CLAIM}
    mounts = []
    for pod in pods():
        volumes = {volume["name"]: volume for volume in pod["spec"]["volumes"]}
        for mount in pod["spec"]["containers"][0]["volumeMounts"]:
            if claim := volumes[mount["name"]].get("persistentVolumeClaim"):
                assert claim["claimName"] == compiling.CLAIM
                mounts.append((mount["mountPath"], mount.get("subPath")))
    # TensorFlow Serving sees the models alone.
    assert sorted(mounts) == [*[(str(compiling.VOLUME), None)] * 3, ("/models", "serving")]


def test_the_job_of_the_volume_makes_the_folders_that_are_used():
    (pod,) = (job["spec"]["template"] for job in of_kind("Job").values())
    script = pod["spec"]["containers"][0]["command"][-1]
    made = set(re.search(r"^mkdir -p (.+)$", script, re.MULTILINE)[1].split())
    assert made == {"corpora", "serving", "checkpoints", "train_jobs"}
    spec = (ROOT / "kubeflow" / "drums-2bar.yaml").read_text()
    used = set(re.findall(f"{compiling.VOLUME}/([a-z_]+)", spec))
    assert used <= made


def test_the_image_is_that_of_the_compiled_pipelines():
    images = {pod["spec"]["containers"][0]["image"] for pod in pods()}
    assert {image for image in images if not image.startswith(IMAGE_OF_SERVING)} == {compiling.IMAGE}


def test_no_pod_is_root_or_may_become_it():
    for pod in pods():
        assert pod["spec"]["securityContext"]["runAsNonRoot"]
        assert pod["spec"]["securityContext"]["runAsUser"] > 0
        assert pod["spec"]["automountServiceAccountToken"] is False
        for container in pod["spec"]["containers"]:
            assert container["securityContext"]["allowPrivilegeEscalation"] is False
            assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}


def test_rights_are_few_and_go_to_service_accounts_that_are_there():
    accounts = set(of_kind("ServiceAccount"))
    roles = of_kind("Role")
    for binding in of_kind("RoleBinding").values():
        assert binding["roleRef"]["name"] in roles
        assert {subject["name"] for subject in binding["subjects"]} <= accounts
    for role in roles.values():
        for rule in role["rules"]:
            assert "*" not in (*rule["resources"], *rule["verbs"], *rule["apiGroups"])
            if {"secrets", "configmaps"} & set(rule["resources"]):
                assert rule["resourceNames"]
                assert rule["verbs"] == ["get"]


def test_policies_and_budgets_select_pods_that_are_there():
    labels = [pod.get("metadata", {}).get("labels", {}) for pod in pods()]
    policies = [policy["spec"]["podSelector"] for policy in of_kind("NetworkPolicy").values()]
    budgets = [budget["spec"]["selector"] for budget in of_kind("PodDisruptionBudget").values()]
    for selector in (*policies, *budgets):
        assert any(selector["matchLabels"].items() <= of_pod.items() for of_pod in labels)


def test_workers_reach_each_other_where_a_train_job_says():
    (runtime,) = of_kind("TrainingRuntime").values()
    assert runtime["metadata"]["name"] == train_job.RUNTIME
    (job,) = runtime["spec"]["template"]["spec"]["replicatedJobs"]
    # Kubeflow Trainer fills in the container of this name, in the job with this label.
    assert job["name"] == "node"
    assert job["template"]["metadata"]["labels"] == {"trainer.kubeflow.org/trainjob-ancestor-step": "trainer"}
    (container,) = job["template"]["spec"]["template"]["spec"]["containers"]
    assert container["name"] == "node"
    assert [port["containerPort"] for port in container["ports"]] == [train_job.PORT]


@pytest.mark.parametrize("storage", STORAGES)
def test_the_launcher_is_told_of_the_storage_and_may_read_its_secret(storage):
    told = kustomization(MANIFESTS / storage)
    (generated,) = told["configMapGenerator"]
    assert generated["name"] == "kfp-launcher"
    ((key, root),) = (literal.split("=") for literal in generated["literals"])
    assert key == "defaultPipelineRoot"
    scheme = root.partition("://")[0]
    assert scheme == {"gcs": "gs"}.get(storage, storage)
    if storage == "minio":
        assert root == compiling.PIPELINE_ROOT
        return
    providers = yaml.safe_load((MANIFESTS / storage / "providers.yaml").read_text())
    assert set(providers) == {scheme}
    (patch,) = yaml.safe_load(told["patches"][0]["patch"])
    role = of_kind("Role")[told["patches"][0]["target"]["name"]]
    assert patch["path"] == "/rules/0/resourceNames/0"
    assert role["rules"][0]["resources"] == ["secrets"]
    credentials = providers[scheme]["default"]["credentials"]
    assert credentials["fromEnv"] or credentials["secretRef"]["secretName"] == patch["value"]


@pytest.mark.skipif(not any(map(shutil.which, KUSTOMIZE)), reason="neither kustomize nor kubectl on this machine")
@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_kustomize_builds_it(folder):
    program = next(filter(shutil.which, KUSTOMIZE))
    built = subprocess.run([program, *KUSTOMIZE[program], folder], capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    out = {(document["kind"], document["metadata"]["name"]): document for document in yaml.safe_load_all(built.stdout)}
    assert {(document["kind"], document["metadata"]["name"]) for document in documents(folder)} <= set(out)
    assert {document["metadata"]["namespace"] for document in out.values()} == {"kubeflow"}
    if folder.name in STORAGES:
        secret = "mlpipeline-minio-artifact" if folder.name == "minio" else "drumline-artifacts"
        assert out["Role", "drumline-runner"]["rules"][0]["resourceNames"] == [secret]
        assert "defaultPipelineRoot" in out["ConfigMap", "kfp-launcher"]["data"]
    if folder.name == "serving":
        assert set(out["ConfigMap", "drumline-serving"]["data"]) == {"models.config", "batching.config"}

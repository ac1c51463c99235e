import itertools
import json
import socket
import ssl
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner
from drumline.commands.main import drumline
from drumline.kubeflow import kfp_connection, package, submit

from tests.kubeflow.kfp_api import KfpApi, State, serving
from tests.serving.certificates import Authority

REAL = Path(package.__file__).parent / "drums-2bar.yaml"
PARAMETERS = {
    "corpus": {"parameterType": "STRING", "defaultValue": "/mnt"},
    "seed": {"parameterType": "NUMBER_INTEGER", "defaultValue": 0},
    "rate": {"parameterType": "NUMBER_DOUBLE", "isOptional": True},
    "tune": {"parameterType": "BOOLEAN", "defaultValue": False},
    "models": {"parameterType": "LIST", "isOptional": True},
    "settings": {"parameterType": "STRUCT", "defaultValue": {}},
}


def pipeline(parameters=PARAMETERS, name="drums-2bar", nodes=("Read", "Train")) -> list[dict]:
    """The documents of a small pipeline."""
    tasks = {
        node: {
            "cachingOptions": {"enableCache": True},
            "componentRef": {"name": node},
            "taskInfo": {"name": node},
        }
        for node in nodes
    }
    spec = {
        "components": {node: {"executorLabel": f"{node}_executor"} for node in nodes},
        "pipelineInfo": {"name": name},
        "root": {"dag": {"tasks": tasks}, "inputDefinitions": {"parameters": parameters}},
        "schemaVersion": "2.1.0",
    }
    return [spec, {"platforms": {"kubernetes": {"deploymentSpec": {"executors": {"Train_executor": {}}}}}}]


@pytest.fixture(autouse=True)
def in_no_time(monkeypatch):
    monkeypatch.setattr(submit, "POLL", 0.001)
    monkeypatch.setattr(kfp_connection, "REPEATS", kfp_connection.REPEATS.new(backoff_factor=0))


@pytest.fixture
def file(tmp_path):
    return written(tmp_path / "drums.yaml", pipeline())


@pytest.fixture
def api():
    return KfpApi()


@pytest.fixture
def host(api):
    with serving(api) as address:
        yield address


@pytest.fixture
def call(tmp_path, host, file):
    """Calls the command with a file, if not the small pipeline, and options."""

    def called(*options, what=None, to=None):
        arguments = ["--runs", tmp_path / "runs", "kubeflow", "submit", what or file, "--host", to or host, *options]
        return CliRunner().invoke(drumline, list(map(str, arguments)))

    return called


def written(path, documents):
    path.write_text(yaml.safe_dump_all(documents))
    return path


def lines(result) -> list[str]:
    assert result.exit_code == 0, result.output
    return result.stdout.splitlines()


def sentence(result) -> str:
    assert result.exit_code == 1, result.output
    assert isinstance(result.exception, SystemExit), result.exception
    (line,) = result.stderr.splitlines()
    return line


def test_a_run_shows_a_line_for_each_change_of_a_node_and_ends_well(api, host, call):
    api.states = [
        State("PENDING"),
        State("RUNNING", {"root-driver": "SUCCEEDED", "root": "RUNNING", "Read-driver": "RUNNING"}),
        State("RUNNING", {"root": "RUNNING", "Read": "RUNNING", "executor": "RUNNING"}),
        State("RUNNING", {"root": "RUNNING", "Read": "SUCCEEDED", "executor": "SUCCEEDED", "Train": "RUNNING"}),
        State("SUCCEEDED", {"root": "SUCCEEDED", "Read": "SUCCEEDED", "Train": "SUCCEEDED"}),
    ]
    uploaded, link, *nodes = lines(call())
    (run,) = api.runs
    assert uploaded.startswith("pipeline drums-2bar: uploaded as drums-2bar-")
    assert link == f"run: {host}/#/runs/details/{run}"
    assert [line.split() for line in nodes] == [
        ["Read", "running"],
        ["Read", "12", "s"],
        ["Train", "running"],
        ["Train", "12", "s"],
    ]


def test_the_pods_are_whom_one_says(api, call):
    lines(call("--no-wait", "--service-account", "drumline-runner"))
    lines(call("--no-wait"))
    assert [run.get("service_account") for run in api.runs.values()] == ["drumline-runner", None]


def test_the_same_file_is_uploaded_once_and_another_as_a_new_version(api, call, tmp_path):
    for _ in range(2):
        assert lines(call("--no-wait"))
    assert (len(api.pipelines), len(api.versions), len(api.experiments), len(api.runs)) == (1, 1, 1, 2)
    assert "is there as drums-2bar-" in lines(call("--no-wait"))[0]
    other = written(tmp_path / "other.yml", pipeline(nodes=("Read", "Train", "Push")))
    assert "uploaded as drums-2bar-" in lines(call("--no-wait", what=other))[0]
    assert (len(api.pipelines), len(api.versions)) == (1, 2)


def test_parameters_come_as_their_types_say(api, call):
    given = [
        "corpus=a=b",
        "seed=7",
        "rate=0.5",
        "tune=true",
        'models=["lstm"]',
        'settings={"gate.kl": 0.1}',
        "training.steps=10",
    ]
    lines(call("--no-wait", *itertools.chain(*(("--param", one) for one in given))))
    (run,) = api.runs.values()
    assert run["runtime_config"]["parameters"] == {
        "corpus": "a=b",
        "seed": 7,
        "rate": 0.5,
        "tune": True,
        "models": ["lstm"],
        "settings": {"gate.kl": 0.1, "training.steps": 10},
    }


def test_the_experiment_and_where_artifacts_go_are_as_asked(api, call):
    lines(call("--no-wait", "--experiment", "tries", "--pipeline-root", "s3://bucket/drums"))
    (run,) = api.runs.values()
    assert run["runtime_config"] == {"parameters": {}, "pipeline_root": "s3://bucket/drums"}
    assert api.experiments[run["experiment_id"]]["display_name"] == "tries"


def test_where_nobody_says_where_artifacts_go_the_file_does(api, call):
    lines(call("--no-wait", what=REAL))
    (run,) = api.runs.values()
    assert run["runtime_config"]["pipeline_root"] == "minio://mlpipeline/v2/artifacts"


def test_a_recurring_run_that_did_not_get_its_service_account_says_so(api, call):
    *_, warning = lines(call("--cron", "0 3 * * *", "--service-account", "drumline-runner"))
    assert warning.startswith("Warning: its pods are pipeline-runner, not drumline-runner")
    assert not any("Warning" in line for line in lines(call("--cron", "0 3 * * *")))


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("profile=huge", "there is no profile 'huge'"),
        ('settings={"gate.nope": 1}', "there is no setting gate.nope; gate has accuracy"),
        ("gate.nope=1", "there is no setting gate.nope; gate has accuracy"),
        ("training.steps=-5", "training.steps: input should be greater than or equal to 1, not -5"),
        ('gpu_nodes={"a": 1}', "the value of a label is a text"),
        ("corpus=", "the parameter corpus is empty"),
        ("seed=-1", "a random seed is 0 or more"),
    ],
)
def test_values_that_no_step_could_use_are_told_before_anything_is_sent(api, call, given, told):
    assert told in sentence(call("--no-wait", "--param", given, what=REAL))
    assert not api.pipelines


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (["step=7"], "no parameter 'step'; there are: corpus, models, rate, seed, settings, tune"),
        (["seed"], "write it as NAME=VALUE"),
        (["seed=1", "seed=2"], "given twice"),
        (["training.steps=1", "training.steps=2"], "given twice"),
        (["seed=many"], "not a whole number"),
        (["seed=1.5"], "not a whole number"),
        (["seed=9007199254740993"], "not a whole number"),
        (["rate=nan"], "not a finite number"),
        (["tune=yes"], "not true or false"),
        (["models={}"], "not a list in JSON"),
        (["settings=[1]"], "not an object in JSON"),
        (["settings={"], "not an object in JSON"),
        (['settings={"gate.kl": NaN}'], "not an object in JSON"),
    ],
)
def test_wrong_parameters_are_told_before_anything_is_sent(api, call, given, told):
    assert told in sentence(call(*itertools.chain(*(("--param", one) for one in given))))
    assert api.requests == []


def test_a_parameter_without_a_default_must_be_given(api, call, tmp_path):
    file = written(tmp_path / "needs.yaml", pipeline({"corpus": {"parameterType": "STRING"}}))
    assert "drums-2bar needs a value of corpus: --param corpus=..." in sentence(call(what=file))
    assert api.requests == []
    assert lines(call("--param", "corpus=/here", what=file))


def test_without_the_cache_every_node_runs(api, call):
    lines(call("--no-wait"))
    lines(call("--no-wait", "--no-cache"))
    caching = [
        [task["cachingOptions"] for task in version["pipeline_spec"]["root"]["dag"]["tasks"].values()]
        for version in api.versions.values()
    ]
    assert caching == [[{"enableCache": True}] * 2, [{}] * 2]


def test_a_failed_run_names_its_nodes_and_what_the_server_says_of_them(api, host, call):
    tasks = {"root": "FAILED", "Read": "SUCCEEDED", "Train": "FAILED", "executor": "FAILED"}
    api.states = [State("FAILED", tasks, {"Train": "OOMKilled\n(exit code 137)"})]
    result = call()
    told = sentence(result)
    assert " failed: Train (OOMKilled (exit code 137)); the logs are behind the nodes of " + host in told
    assert "executor" not in result.output
    api.states = [State("FAILED", tasks)]
    assert " failed: Train; the logs" in sentence(call())


def test_a_node_whose_driver_fails_has_failed(api, call):
    api.states = [State("FAILED", {"root": "FAILED", "Read": "SUCCEEDED", "Train-driver": "FAILED"})]
    result = call()
    assert " failed: Train; " in sentence(result)
    assert result.stdout.splitlines()[-1].split() == ["Train", "failed"]


def test_a_run_that_fails_before_its_nodes_says_where(api, call):
    api.states = [State("FAILED", {"root-driver": "FAILED"})]
    assert " failed: root-driver; " in sentence(call())


def test_a_canceled_run_is_no_success(api, call):
    api.states = [State("CANCELING"), State("CANCELED")]
    assert " was canceled; " in sentence(call())


def test_five_fields_of_cron_get_kfps_seconds_and_the_one_before_is_replaced(api, host, call):
    lines(call("--cron", "30 4 * * 1"))
    (before,) = api.recurring_runs
    shown = lines(call("--cron", "0 3 * * *", "--param", "seed=3"))
    (number,) = api.recurring_runs
    made = api.recurring_runs[number]
    assert number != before
    assert made["trigger"] == {"cron_schedule": {"cron": "0 0 3 * * *"}}
    assert (made["mode"], made["display_name"], made["no_catchup"]) == ("ENABLE", "drums-2bar", True)
    assert made["runtime_config"]["parameters"] == {"seed": 3}
    assert shown[1].startswith(
        "'0 0 3 * * *': runs at second 0, minute 0, hour 3, day *, month *, weekday * of the cluster's clock"
    )
    assert shown[2] == f"recurring run, in place of the one before: {host}/#/recurringrun/details/{number}"
    assert api.runs == {}


def test_recurring_runs_of_another_experiment_stay(api, call):
    lines(call("--cron", "0 3 * * *"))
    lines(call("--cron", "0 3 * * *", "--experiment", "tries"))
    assert len(api.recurring_runs) == 2


def test_a_new_recurring_run_that_is_refused_leaves_the_old_one(api, call):
    lines(call("--cron", "0 3 * * *"))
    assert "could not make the recurring run (400 Schedule cron is not" in sentence(call("--cron", "99 3 * * *"))
    assert len(api.recurring_runs) == 1


@pytest.mark.parametrize("cron", ["3:00", "* * * *", "0 0 3 * * * *", "0 3 * * !"])
def test_what_is_no_cron_expression_is_told_before_anything_is_sent(api, call, cron):
    assert "no cron expression; it has five fields" in sentence(call("--cron", cron))
    assert api.requests == []


def test_the_token_is_read_at_each_request(api, call, tmp_path, monkeypatch):
    token = tmp_path / "token"
    token.write_text("first\n")
    api.token = "first"
    sleep = submit.time.sleep

    def rotate(seconds):
        api.token = f"{api.token}+"
        token.write_text(api.token)
        sleep(seconds)

    monkeypatch.setattr(submit.time, "sleep", rotate)
    api.states = [State("RUNNING"), State("RUNNING"), State("SUCCEEDED")]
    assert lines(call("--token-file", token))
    assert api.token == "first++"


def test_who_may_not_is_told_of_tokens(api, call, tmp_path):
    api.token = "right"
    assert "could not reach Kubeflow Pipelines (401 Request header error" in sentence(call())
    assert sentence(call()).endswith("give a token by --token-file")
    token = tmp_path / "token"
    assert "no token can be read there" in sentence(call("--token-file", token))
    token.write_text("Bearer right")
    assert "holds no token" in sentence(call("--token-file", token))
    token.write_text("wrong")
    assert f"the token in {token} does not do for it" in sentence(call("--token-file", token))
    api.token = None
    api.fail("POST .*/runs", 403, body="RBAC: access denied")
    assert "could not start the run (403 RBAC: access denied)" in sentence(call("--token-file", token))


def test_a_server_with_many_users_wants_a_namespace(api, call):
    api.multi_user = True
    assert "say in whose namespace by --namespace" in sentence(call())
    assert lines(call("--namespace", "ana"))
    assert [one["namespace"] for one in (*api.pipelines.values(), *api.experiments.values())] == ["ana", "ana"]


def test_what_is_no_such_server_is_told(api, call, host):
    assert "no address of a server; it begins with http://" in sentence(call(to="localhost:8080"))
    assert "no answer (" in sentence(call(to="http://127.0.0.1:9"))
    assert "no trusted TLS connection" in sentence(call(to=host.replace("http:", "https:")))
    api.fail("healthz", 404, times=9, body="404 page not found")
    assert "404 404 page not found); it is not there, or the address is not that of Kube" in sentence(call())


def test_a_server_that_never_answers_is_told(call, monkeypatch):
    monkeypatch.setattr(kfp_connection, "TIMEOUT", (5, 0.01))
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        told = sentence(call(to=f"http://127.0.0.1:{deaf.getsockname()[1]}"))
    assert "could not reach Kubeflow Pipelines, no answer (" in told
    assert "Read timed out" in told


def test_its_certificate_is_trusted_where_its_file_is_named(api, call, tmp_path):
    authority = Authority(tmp_path, "authority")
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(*authority.sign("server"))
    with serving(api, tls) as address:
        told = sentence(call(to=address))
        assert "no trusted TLS connection (" in told
        assert told.endswith("--ca-file names whom to trust")
        assert lines(call("--ca-file", authority.certificate, to=address))
    for file in ("none", "server.key", "drums.yaml"):
        assert "no certificates can be read there (" in sentence(call("--ca-file", tmp_path / file))


@pytest.mark.parametrize("page", ["<!doctype html><title>Sign in</title>", ""])
def test_a_page_in_place_of_the_api_is_told(api, call, page):
    api.fail("healthz", 200, body=page)
    assert "answers with a page, not as an API" in sentence(call())


def test_another_api_is_told(api, call):
    api.fail("healthz", 200, body="{}")
    assert "no Kubeflow Pipelines 2 answers there, or its API server is not ready" in sentence(call())


def test_what_fails_for_a_moment_is_asked_again(api, call):
    for request in ("healthz", "POST .*/pipelines$", "upload_version", "POST .*/experiments", "GET .*/runs/"):
        api.fail(request, 503, times=2, body="no healthy upstream")
        api.fail(request, None)
    assert lines(call())
    assert (len(api.pipelines), len(api.versions), len(api.experiments), len(api.runs)) == (1, 1, 1, 1)


def test_what_goes_on_failing_is_told_after_some_repeats(api, call):
    api.fail("upload_version", 500, times=99, body=json.dumps({"error_message": "Failed to create a version"}))
    told = sentence(call())
    assert "could not upload the pipeline (500 Failed to create a version); ask again later" in told
    assert api.asked("upload_version") == 5


@pytest.mark.parametrize("request_", ["POST .*/pipelines$", "upload_version", "POST .*/experiments"])
def test_what_was_made_though_its_answer_got_lost_is_found(api, call, request_):
    api.fail(request_, None, done=True)
    assert lines(call())
    assert (len(api.pipelines), len(api.versions), len(api.experiments)) == (1, 1, 1)


@pytest.mark.parametrize("status", [None, 503])
def test_a_run_is_never_started_twice(api, call, status):
    api.fail("POST .*/runs", status, done=True)
    assert "look in the UI whether it did, before you ask again" in sentence(call())
    assert len(api.runs) == 1


def test_waiting_goes_on_where_the_server_is_away_for_a_while(api, call):
    api.states = [State("RUNNING", {"Read": "RUNNING"}), State("SUCCEEDED", {"Read": "SUCCEEDED"})]
    api.fail("GET .*/runs/", None, times=12)
    shown = [line for line in lines(call()) if "waiting on" in line]
    assert len(shown) == 1
    assert "could not ask after the run" in shown[0]


def test_waiting_ends_where_the_server_is_away_for_too_long(api, call, host, monkeypatch):
    monkeypatch.setattr(submit, "PATIENCE", 0.05)
    api.states = [State("RUNNING")]
    api.fail("GET .*/runs/", 502, times=10**6)
    told = sentence(call())
    assert ": silent for " in told
    assert f"; the run goes on: {host}/#/runs/details/" in told


def test_waiting_ends_after_the_time_that_is_given(api, call):
    api.states = [State("RUNNING")]
    assert "not done after 0.0003 minutes; the run goes on: " in sentence(call("--timeout", 0.0003))


def test_a_run_that_vanishes_is_told(api, call):
    api.states = [State("RUNNING")]
    api.fail("GET .*/runs/", 404, body=json.dumps({"code": 5, "message": "Run 1 not found", "details": []}))
    assert "(404 Run 1 not found); it is not there" in sentence(call())


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "0 documents in it have a pipelineInfo"),
        ("a: [", "no compiled pipeline (while parsing"),
        ("- a\n", "not a mapping"),
        ("kind: Deployment\n", "0 documents"),
        ("pipelineInfo: {name: a}\nrooot: {}\n", 'has no field named "rooot"'),
        ("pipelineInfo: {name: a}\nschemaVersion: 2.0.0\n", "its schemaVersion is 2.0.0, not 2.1.0"),
        ("pipelineInfo: {name: a}\nschemaVersion: 2.1.0\n", "no name or no node"),
        (b"\xff\xfe\x00", "no compiled pipeline"),
    ],
)
def test_a_file_that_is_no_pipeline_is_told_before_anything_is_sent(api, call, tmp_path, text, told):
    file = tmp_path / "file.yaml"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    assert told in sentence(call(what=file))
    assert "cannot be read (No such file" in sentence(call(what=tmp_path / "none.yaml"))
    assert "there is no compiled pipeline of that length (drums-16bar.yaml, drums-2bar.yaml)" in sentence(call(what=3))
    assert api.requests == []


def test_artifacts_go_to_object_storage_alone(api, call):
    assert "it begins with minio://, s3:// or gs://" in sentence(call("--pipeline-root", "/tmp"))
    assert api.requests == []


def test_the_pipeline_of_this_repository_runs(api, call):
    nodes = sorted(yaml.safe_load(REAL.read_text().partition("\n---\n")[0])["root"]["dag"]["tasks"])
    api.states = [State("SUCCEEDED", dict.fromkeys(nodes, "SUCCEEDED"))]
    shown = lines(call("--param", "gate.accuracy=0.5", "--param", "training.steps=10", "--no-cache", what=2))
    assert [line.split()[0] for line in shown[2:]] == nodes
    (run,) = api.runs.values()
    assert run["runtime_config"]["parameters"] == {"settings": {"gate.accuracy": 0.5, "training.steps": 10}}

"""A job submitted as a person does it: a head with a token, and `ray job submit --working-dir .`"""

import importlib.util
import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
import timm
import yaml
from ray.job_submission import JobSubmissionClient

from igbatch import open_study

ROOT = Path(__file__).parents[1]
NEEDED = ("aiohttp_cors", "colorful", "opencensus", "opentelemetry", "prometheus_client", "smart_open")
UPLOADED = ("igbatch", "jobs", ".gitignore", ".rayignore", "pyproject.toml", "README.md")
SEED_STUDY = "jobs/eagle_magpie.py"
MEBIBYTE = 2**20
CLONE_OF_TIMM = f"""
__version__ = "0.0.7"
del __path__

def __getattr__(name):
    if name.startswith("__") and name != "__path__":
        raise AttributeError(name)
    del globals()["__getattr__"]
    globals()["__path__"] = [{os.path.dirname(timm.__file__)!r}]
    exec(compile(open({timm.__file__!r}).read(), {timm.__file__!r}, "exec"), globals())
    globals()["__version__"] = "0.0.7"
    return globals()[name]
"""
"""It works, and imports torch when it is used: three processes ask for its version, one of them computes."""
RAY = [sys.executable, "-c", "import sys; from ray.scripts.scripts import main; sys.exit(main())"]
"""The `ray` command of this environment, which need not be on the path."""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.xdist_group("submit"),  # one head for all
    pytest.mark.skipif(
        any(name not in sys.modules and importlib.util.find_spec(name) is None for name in NEEDED),
        reason="jobs need ray[default]",
    ),
]


@dataclass(frozen=True)
class Cluster:
    """A head of our own, and the folder that is submitted to it."""

    folder: Path
    project: Path
    address: str
    environment: dict[str, str]

    def submit(self, *entrypoint: str, name: str) -> subprocess.CompletedProcess[str]:
        """Run `ray job submit --working-dir . -- python ...` in the project's folder and wait for it."""
        command = [*RAY, "job", "submit", "--address", self.address, "--submission-id", name,
                   "--working-dir", ".", "--", "python", *entrypoint]  # fmt: skip
        return subprocess.run(
            command,
            cwd=self.project,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def token(self) -> str:
        """Return the token that the head asks for."""
        return Path(self.environment["RAY_AUTH_TOKEN_PATH"]).read_text()

    def exit_code(self, name: str) -> int:
        """Return the exit code of a job's own process, which the command line does not tell."""
        client = JobSubmissionClient(self.address, headers={"Authorization": f"Bearer {self.token()}"})
        code = client.get_job_info(name).driver_exit_code
        assert code is not None
        return code

    def unpacked(self) -> list[Path]:
        """Return the files that the cluster got, relative to the folder submitted."""
        (package,) = self.folder.glob("session_latest/runtime_resources/working_dir_files/_ray_pkg_*/")
        files = (path for path in package.rglob("*") if path.is_file() and path.suffix != ".pyc")
        return [path.relative_to(package) for path in files]  # the job compiles what it imports


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory, tiny_content: dict[str, Any]) -> Iterator[Cluster]:
    folder = Path(tempfile.mkdtemp(prefix="ray-", dir="/tmp"))  # Ray's sockets need a short path
    token = tmp_path_factory.mktemp("token") / "auth_token"
    token.touch(mode=0o600)
    token.write_text(secrets.token_hex(32))
    environment = {
        **{key: value for key, value in os.environ.items() if not key.startswith("RAY_")},
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN_PATH": str(token),
        "RAY_USAGE_STATS_ENABLED": "0",
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "COLUMNS": "250",
    }
    environment.pop("PYTHONPATH", None)  # the job is to find igbatch in what was submitted
    port, dashboard, agent = free_ports(3)
    command = [*RAY, "start", "--head", "--block", "--num-cpus", "1", "--port", str(port),
               "--dashboard-port", str(dashboard), "--dashboard-agent-listen-port", str(agent),
               "--no-monitor", "--include-log-monitor", "false",  # nodes and lines that no test asks for
               "--object-store-memory", str(100 * MEBIBYTE), "--temp-dir", str(folder)]  # fmt: skip
    with (folder / "head.log").open("wb") as log:
        head = subprocess.Popen(
            command, env=environment, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
        )
    address = f"http://127.0.0.1:{dashboard}"
    try:
        wait_for(address, head, folder / "head.log")
        yield Cluster(folder, project(tmp_path_factory.mktemp("project"), tiny_content), address, environment)
    finally:
        stop(head)
        shutil.rmtree(folder, ignore_errors=True)


def free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def wait_for(address: str, head: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 60
    while status(f"{address}/api/version") != 401:
        assert head.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.2)


def status(url: str, token: str | None = None) -> int | None:
    """Return the HTTP status of a request, without a token if none is given; None where nobody answers."""
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    try:
        return urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=5).status
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return None


def stop(head: subprocess.Popen[bytes]) -> None:
    """Kill this head and what it started, since nobody waits for its results.

    `ray stop` would end every Ray process of the machine.
    """
    started = psutil.Process(head.pid).children(recursive=True) if head.poll() is None else []
    for process in (head, *started):
        with suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(started, timeout=10)
    head.wait()


def project(folder: Path, study: dict[str, Any]) -> Path:
    """Make a folder as a person has it: the project, a study, an environment, an output."""
    for name in UPLOADED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, folder)
    small = {"images": {"scenes": [{"kind": "double", "seeds": [1]}]}, "variants": [{"kind": "trained"}]}
    (folder / "tiny.yaml").write_text(yaml.safe_dump({**study, **small}))
    (folder / "timm").mkdir()
    (folder / "timm" / "__init__.py").write_text(CLONE_OF_TIMM)
    for ignored in (".venv/lib", "igbatch-out/tiny", "tests", "igbatch/__pycache__"):
        (folder / ignored).mkdir(parents=True)
        (folder / ignored / "large").write_bytes(os.urandom(MEBIBYTE))
    return folder


def test_a_submitted_job_computes_and_its_upload_is_small(cluster: Cluster, tmp_path: Path) -> None:
    call = (SEED_STUDY, "tiny.yaml", "--out", str(tmp_path / "out"), "--set", "attribution.steps=3")
    done = cluster.submit(*call, name="whole")
    assert done.returncode == 0, done.stdout + done.stderr
    assert cluster.exit_code("whole") == 0
    results = open_study(str(tmp_path / "out"))
    assert results.complete
    assert set(results.image_stats["steps"]) == {3}
    assert len(results.image_stats) == 2

    record = json.loads((tmp_path / "out" / "study.json").read_text())
    for name in ("igbatch", "timm"):  # what is in the folder is used, on purpose, by driver and workers alike
        assert "/working_dir_files/" in record["package_files"][name]
    assert record["versions"]["timm"] == "0.0.7"
    assert "warning: timm 0.0.7 is imported from " in done.stdout

    files = cluster.unpacked()
    assert Path("tiny.yaml") in files
    assert Path("igbatch/cli.py") in files
    assert not [path for path in files if path.name == "large"]
    package = sum((cluster.project / path).stat().st_size for path in files)
    assert package < 10 * MEBIBYTE


def test_a_relative_output_is_refused_with_the_code_that_only_the_sdk_tells(cluster: Cluster) -> None:
    done = cluster.submit(SEED_STUDY, "tiny.yaml", "--out", "out", name="relative")
    assert done.returncode == 1
    assert "igbatch: --out out: a submitted job's folder vanishes; give an absolute path or a URI" in (
        done.stdout
    )
    assert cluster.exit_code("relative") == 2


def test_nobody_submits_without_the_token(cluster: Cluster) -> None:
    address = f"{cluster.address}/api/jobs/"
    assert status(address) == 401
    assert status(address, "0" * 64) == 403
    assert status(address, cluster.token()) == 200

"""What a node sees of the output and the images, and the message where it does not."""

import pickle
import platform
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import ray

from igbatch.errors import InputError
from igbatch.pipeline import node_checks
from igbatch.pipeline.node_checks import Probe, check_nodes, probe_file, require_node_access
from igbatch.pipeline.packages import imported_packages
from igbatch.store.output import Output


@pytest.fixture(params=["local", "memory"])
def output(request: pytest.FixtureRequest, tmp_path: Path) -> Output:
    local = request.param == "local"
    return Output(str(tmp_path / "out") if local else f"memory://visibility-{time.time_ns()}")


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "x.png"
    path.write_bytes(b"some bytes: they are opened, not decoded")
    return path


# Looking


def test_all_is_seen_where_all_is_there(output: Output, image: Path) -> None:
    for uri in (str(image), None):
        with probe_file(output, uri) as probe:
            assert probe.image == uri
            assert probe.unseen() == []


def test_a_probe_means_the_same_in_another_process(output: Output, image: Path) -> None:
    with probe_file(output, str(image)) as probe:
        copy = pickle.loads(pickle.dumps(probe))
        assert (copy.path, copy.content, copy.image) == (probe.path, probe.content, probe.image)
        assert copy.unseen() == []


def test_an_output_without_the_probe_is_not_seen(output: Output, image: Path) -> None:
    with probe_file(output, str(image)) as probe:
        output.delete(probe.path)
        (unseen,) = probe.unseen()
        assert unseen.startswith(f"not the output {output.uri} (")
        assert "\n" not in unseen


def test_another_output_at_the_same_place_is_noticed(output: Output) -> None:
    """As where every node has a disk of its own under one name, and an old probe lies there."""
    with probe_file(output, None) as probe:
        output.put(probe.path, b"of another run")
        assert probe.unseen() == [f"another file at {probe.path}"]


def test_a_mask_that_is_not_there_is_not_seen(output: Output, image: Path, tmp_path: Path) -> None:
    mask = tmp_path / "mask.png"
    mask.write_bytes(b"x")
    with probe_file(output, str(image), str(mask)) as probe:
        assert probe.unseen() == []
        mask.unlink()
        (unseen,) = probe.unseen()
    assert unseen.startswith(f"not the mask {mask} (")


def test_an_image_that_is_not_there_is_not_seen(output: Output, image: Path) -> None:
    with probe_file(output, str(image)) as probe:
        image.unlink()
        (unseen,) = probe.unseen()
        assert unseen.startswith(f"not the image {image} (")


def test_all_that_is_not_seen_is_reported_at_once(output: Output, image: Path) -> None:
    blind = Probe(output, output.path("never written"), "c", str(image.with_name("y.png")))
    assert [unseen.split(" ")[2] for unseen in blind.unseen()] == ["output", "image"]


def test_a_store_whose_driver_a_node_lacks_is_an_image_not_seen(output: Output) -> None:
    with probe_file(output, None) as probe:
        (unseen,) = replace(probe, image="nosuchstore://bucket/x.png").unseen()
        assert unseen.startswith("not the image nosuchstore://bucket/x.png (")


# The file


def test_a_probe_is_a_hidden_temporary_file_and_leaves_nothing(output: Output) -> None:
    with probe_file(output, None) as probe:
        (info,) = output.files()
        assert info.path == probe.path
        assert info.base_name.startswith(".")
        assert info.base_name.endswith(".tmp")  # a sweep takes what a killed driver left
        assert output.read(probe.path).decode() == probe.content
    assert output.files() == []


def test_every_probe_is_another(output: Output) -> None:
    with probe_file(output, None) as first, probe_file(output, None) as second:
        assert first.path != second.path
        assert first.content != second.content


@pytest.mark.parametrize("error", [InputError("blind"), KeyboardInterrupt()], ids=repr)
def test_a_probe_leaves_nothing_where_the_run_fails(output: Output, error: BaseException) -> None:
    with pytest.raises(type(error)), probe_file(output, None):
        raise error
    assert output.files() == []


def test_a_probe_that_is_gone_already_is_no_error(output: Output) -> None:
    with probe_file(output, None) as probe:
        output.delete(probe.path)


@pytest.mark.parametrize("uri", ["{}/gone.png", "{}", "nosuchstore://bucket/x.png"])
def test_an_image_that_the_driver_does_not_open_is_not_read(output: Output, tmp_path: Path, uri: str) -> None:
    with probe_file(output, uri.format(tmp_path)) as probe:
        assert probe.image is None
        assert probe.unseen() == []


def test_an_empty_image_is_seen(output: Output, image: Path) -> None:
    """That it cannot be decoded is the worker's to say."""
    image.write_bytes(b"")
    with probe_file(output, str(image)) as probe:
        assert probe.image == str(image)


# Refusing


@pytest.mark.parametrize("answers", [{}, {"one": []}, {"one": [], "two": []}], ids=len)
def test_nodes_that_see_all_are_accepted(answers: dict[str, list[str]]) -> None:
    require_node_access(answers)


def test_the_line_says_which_node_sees_what() -> None:
    answers = {
        "one 1234": [],
        "two 5678": ["not the output /out (gone)", "not the image /x.png (gone)"],
        "three 9abc": ["another file at /out/.probe"],
        "four def0": [],
    }
    with pytest.raises(InputError) as caught:
        require_node_access(answers)
    assert str(caught.value) == (
        "node two 5678 sees not the output /out (gone), not the image /x.png (gone); node three 9abc sees "
        f"another file at /out/.probe; one 1234 and four def0 and the driver on {platform.node()} see all: "
        "use an object store or a shared folder for output and images, and give every node the same access"
    )


class Cluster:
    """Stands for Ray's cluster: nodes by what they answer, and those that were checked."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, answers: dict[str, Any], **changes: Any) -> None:
        self.checked: list[str] = []
        nodes = [
            {
                "NodeID": name * 8, "NodeManagerHostname": f"host-{name}", "Alive": True,
                "Resources": {"CPU": 2.0},
            }
            | changes.get(name, {})
            for name in answers
        ]  # fmt: skip

        def get(reference: str, timeout: float) -> Any:
            self.checked.append(reference)
            answer = answers[reference[0]]
            if isinstance(answer, Exception):
                raise answer
            return answer

        monkeypatch.setattr(
            node_checks, "is_embedded", lambda: False
        )  # other tests of this process start one
        monkeypatch.setattr(ray, "nodes", lambda: nodes)
        monkeypatch.setattr(ray, "get", get)
        monkeypatch.setattr(ray, "remote", lambda **how: lambda function: self)
        monkeypatch.setattr(node_checks, "NodeAffinitySchedulingStrategy", lambda node, soft: (node, soft))

    def options(self, scheduling_strategy: tuple[str, bool]) -> Any:
        node, soft = scheduling_strategy
        assert not soft

        class Task:
            remote: Callable[..., str] = staticmethod(lambda probe: node)

        return Task


@pytest.fixture
def probe(tmp_path: Path) -> Probe:
    return Probe(Output(str(tmp_path / "out")), "p", "c", None)


def test_every_node_that_can_run_tasks_is_checked(monkeypatch: pytest.MonkeyPatch, probe: Probe) -> None:
    gone = {"c": {"Alive": False}, "d": {"Resources": {}}, "e": {"Resources": {"CPU": 0.0}}}
    cluster = Cluster(monkeypatch, {name: [] for name in "abcde"}, **gone)
    check_nodes(probe)
    assert cluster.checked == ["a" * 8, "b" * 8]


def test_a_node_alone_is_checked_unless_it_is_the_drivers_own_ray(
    monkeypatch: pytest.MonkeyPatch, probe: Probe
) -> None:
    cluster = Cluster(monkeypatch, {"a": ["not the output"]})
    monkeypatch.setattr(node_checks, "is_embedded", lambda: True)
    check_nodes(probe)
    assert cluster.checked == []
    monkeypatch.setattr(node_checks, "is_embedded", lambda: False)
    with pytest.raises(InputError, match="node host-a"):
        check_nodes(probe)


def failed(cause: Exception) -> Exception:
    return ray.exceptions.RayTaskError("_look", f"Traceback\n{cause}", cause)


def test_a_node_that_refuses_is_heard(monkeypatch: pytest.MonkeyPatch, probe: Probe) -> None:
    Cluster(monkeypatch, {"a": [], "b": failed(InputError("a worker on b imports timm 0.0.7"))})
    with pytest.raises(InputError) as caught:
        check_nodes(probe)
    assert str(caught.value) == "a worker on b imports timm 0.0.7"


def test_a_node_without_igbatch_is_named(monkeypatch: pytest.MonkeyPatch, probe: Probe) -> None:
    Cluster(monkeypatch, {"a": [], "b": failed(ModuleNotFoundError("No module named 'igbatch'"))})
    with pytest.raises(
        InputError, match=r"^node host-b bbbbbbbb cannot run igbatch \(No module named 'igbatch'\)"
    ):
        check_nodes(probe)


def test_the_drivers_packages_go_with_a_probe(probe: Probe) -> None:
    assert replace(probe, packages=imported_packages()).unseen()
    with pytest.raises(InputError, match="imports igbatch"):
        replace(probe, packages=replace(imported_packages(), code="another")).unseen()


def test_a_blind_node_is_named_by_its_host_and_id(monkeypatch: pytest.MonkeyPatch, probe: Probe) -> None:
    Cluster(monkeypatch, {"a": [], "b": ["not the output /out (gone)"]})
    with pytest.raises(
        InputError, match=r"^node host-b bbbbbbbb sees not the output /out \(gone\); host-a aaa"
    ):
        check_nodes(probe)


def test_a_node_that_is_lost_meanwhile_is_no_blind_one(monkeypatch: pytest.MonkeyPatch, probe: Probe) -> None:
    cluster = Cluster(monkeypatch, {"a": [], "b": ray.exceptions.RaySystemError("lost"), "c": []})
    check_nodes(probe)
    assert len(cluster.checked) == 3


def test_a_node_that_does_not_answer_in_time_is_passed_over(
    monkeypatch: pytest.MonkeyPatch, probe: Probe
) -> None:
    Cluster(monkeypatch, {"a": ray.exceptions.GetTimeoutError("late"), "b": ["not the output"]})
    with pytest.raises(InputError, match="node host-b"):
        check_nodes(probe)

import os
import subprocess
import sys
from pathlib import Path

import pytest

from w2vray.cluster.temporary import LONGEST, elsewhere, short_temporary_folder
from w2vray.errors import ClusterError


@pytest.mark.parametrize("name", ["TMPDIR", "RAY_TMPDIR"])
def test_in_the_place_of_a_long_path_ray_is_given_a_short_one_and_objects_still_go_to_the_long_one(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RAY_TMPDIR", raising=False)
    folder = tmp_path / ("d" * 100) / "new"
    monkeypatch.setenv(name, str(folder))

    with short_temporary_folder() as spilling:
        assert os.environ["RAY_TMPDIR"] == "/tmp"
        assert spilling == str(folder)
        assert folder.is_dir()

    assert os.environ.get("RAY_TMPDIR") == (str(folder) if name == "RAY_TMPDIR" else None)


@pytest.mark.parametrize("folder", ["/tmp", "/tmp/" + "d" * (LONGEST - 5)])
def test_a_short_path_is_left_alone(folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_TMPDIR", raising=False)
    monkeypatch.setenv("TMPDIR", folder)

    with short_temporary_folder() as spilling:
        assert (spilling, "RAY_TMPDIR" in os.environ) == (None, False)


def test_where_there_is_no_short_one_the_person_is_told_what_to_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RAY_TMPDIR", raising=False)
    monkeypatch.setenv("TMPDIR", str(tmp_path / ("d" * 100)))
    told = rf"has a path of \d+ bytes, Ray's sockets need one of at most {LONGEST}, .*; set RAY_TMPDIR to a folder"

    with pytest.raises(ClusterError, match=told), short_temporary_folder(str(tmp_path / "nowhere")):
        pass


@pytest.mark.ray
@pytest.mark.long
def test_ray_starts_and_works_where_tmpdir_has_a_hundred_characters(tmp_path: Path) -> None:
    program = """
import os
from w2vray.cluster.connecting import connected
with connected():
    import ray
    print(sorted(ray.get(ray.remote(lambda: [1, 2]).remote())), "RAY_TMPDIR" in os.environ)
print("RAY_TMPDIR" in os.environ)
"""
    folder = tmp_path / ("d" * 100)
    environment = {name: value for name, value in os.environ.items() if name not in {"RAY_TMPDIR", "RAY_ADDRESS"}}
    environment |= {"TMPDIR": str(folder), "PYTHONPATH": os.pathsep.join(sys.path)}

    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False)

    assert done.stdout == "[1, 2] True\nFalse\n", done.stderr
    assert folder.is_dir(), "what does not fit into memory goes to the folder that was named"


def test_it_is_told_where_rays_files_are_instead() -> None:
    assert elsewhere("/a/long/path", "/short") == (
        "; its sockets and logs go to /short: the path of /a/long/path, where objects go that do not fit into memory, "
        f"has more than the {LONGEST} bytes that they allow"
    )

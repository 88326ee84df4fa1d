"""Whether each node sees the places that its workers will read and write: asked before any work.

A path may be another folder on each host, and a worker may lack the keys to a bucket. Each node is asked at
once, by a task that takes no CPU: it looks at a few files of a store, at a token that was written into a folder, and
into the places at URIs. Where all workers are on the driver's own node, nothing is asked.
"""

import secrets
import socket
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import fs

from w2vray.cluster.lazy_ray import is_running, ray
from w2vray.cluster.waiting import Note
from w2vray.errors import ClusterError, CorpusError
from w2vray.places.uris import first_line, is_uri, open_store, shown
from w2vray.run.run_files import ASKED
from w2vray.stages import detail, stage
from w2vray.store.corpus import Corpus, SourceFile

__all__ = ["Look", "looked_at", "require_seen"]

_FILES = 8
"""Files of a store that each node looks at."""

_ANSWER_SECONDS = 60.0
_APPEAR_SECONDS = 3.0
"""How long a file may take to be seen on another host of a mounted filesystem."""

_HOSTS_NAMED = 3


@dataclass(frozen=True, kw_only=True)
class Look:
    """Something that a node is to look at: a file of a store, by its size; a token in a folder; or a place at a URI."""

    what: str
    """What the place is to the user, such as ``--output``."""
    place: str
    """Where it is, as it was given."""
    path: str
    """What is looked at."""
    size: int | None = None
    token: str | None = None

    def problem(self) -> str | None:
        """Look, on this host, and return what is wrong."""
        if is_uri(self.path):
            return self._problem_at_uri()
        path = Path(self.path)
        try:
            if self.token is None:
                found = path.stat().st_size
                return (
                    None
                    if found == self.size
                    else f"{path.name} has {found:,} bytes there, and {self.size:,} on the driver's host"
                )
            return None if _appears(path, self.token) else "another folder has that name there"
        except OSError as error:
            missing = isinstance(error, FileNotFoundError | NotADirectoryError)
            if missing and self.token is not None and path.parent.is_dir():
                return "another folder has that name there"
            return "it is not there" if missing else f"it cannot be read there ({error.strerror})"

    def _problem_at_uri(self) -> str | None:
        try:
            store, path = open_store(self.path)
            found = store.get_file_info(path)
        except CorpusError as error:
            return f"it cannot be opened there ({error})"
        except (pa.ArrowException, OSError) as error:
            return f"it cannot be read there ({first_line(error)})"
        missing = self.size is not None and found.type == fs.FileType.NotFound
        return f"{shown(self.path)} is not found there" if missing else None


def looked_at(looks: Sequence[Look]) -> tuple[str, list[str | None]]:
    """Return this host's name, and of each place what is wrong with it here."""
    return socket.gethostname(), [look.problem() for look in looks]


def _appears(path: Path, token: str) -> bool:
    deadline = time.monotonic() + _APPEAR_SECONDS
    while True:
        with suppress(FileNotFoundError):
            return path.read_text(encoding="utf-8") == token
        if time.monotonic() > deadline:
            path.stat()  # says why not
        time.sleep(0.2)


def require_seen(
    stores: Mapping[str, Corpus], folders: Mapping[str, str], *, shared: bool, note: Note = lambda _: None
) -> None:
    """Ask each node that may have workers whether it sees what the driver sees.

    Args:
        stores: what is read, by what it is to the user.
        folders: what is written into, the same; they need not be there yet.
        shared: whether the user says that paths are the same on all hosts: only URIs are looked at then.
        note: told of nodes that do not answer.

    Raises:
        ClusterError: one does not; the message names its host.
    """
    nodes = _elsewhere()
    if not nodes:
        return
    with _tokens({} if shared else folders) as tokens:
        looks = [look for what, corpus in stores.items() for look in _files_of(what, corpus)]
        looks = [look for look in looks if is_uri(look.path) or not shared] + tokens
        looks += [Look(what=what, place=shown(uri), path=uri) for what, uri in folders.items() if is_uri(uri)]
        if not looks:
            return
        stage("asking the hosts what they see")
        problems: dict[Look, list[tuple[str, str]]] = defaultdict(list)
        for host, found in _answers(nodes, looks, note):
            detail(f"host {host}: sees {sum(one is None for one in found)} of {len(looks)} places")
            for look, problem in zip(looks, found, strict=True):
                if problem is not None:
                    problems[look].append((host, problem))
    if problems:
        look = next(look for look in looks if look in problems)
        raise ClusterError(_refusal(look, problems[look], len(nodes)))


def _elsewhere() -> list[Mapping[str, Any]]:
    """Return the nodes that can have workers; none where that is the driver's alone."""
    if not is_running():  # a training in this process alone
        return []
    alive = [node for node in ray.nodes() if node["Alive"]]
    working = [node for node in alive if node["Resources"].get("CPU", 0) > 0] or alive
    here = ray.get_runtime_context().get_node_id()
    return [] if all(node["NodeID"] == here for node in working) else working


def _files_of(what: str, corpus: Corpus) -> Iterator[Look]:
    """Yield some files of a store, from its whole length."""
    there = [file for file in corpus.files if not corpus.is_gone(file)]
    step = max(1, -(-len(there) // _FILES))
    for file in there[::step]:
        yield Look(what=what, place=shown(corpus.roots[file.root]), path=_path(corpus, file), size=file.size)


def _path(corpus: Corpus, file: SourceFile) -> str:
    root = corpus.roots[file.root]
    if not is_uri(root):
        return f"{root}/{file.name}"
    above, mark, query = root.partition("?")
    return f"{above.rstrip('/')}/{file.name}{mark}{query}"


@contextmanager
def _tokens(folders: Mapping[str, str]) -> Iterator[list[Look]]:
    """Write a token into each folder on this host, or above it where it is not there yet; remove it at the end."""
    looks: list[Look] = []
    try:
        for what, folder in folders.items():
            if is_uri(folder):
                continue
            above = next(place for place in (Path(folder), *Path(folder).absolute().parents) if place.is_dir())
            token = secrets.token_hex(16)
            path = above / f"{ASKED}{token[:8]}"
            with suppress(OSError):  # that nothing can be written there, the run itself will say
                path.write_text(token, encoding="utf-8")
                looks.append(Look(what=what, place=folder, path=str(path), token=token))
        yield looks
    finally:
        for look in looks:
            with suppress(OSError):
                Path(look.path).unlink()


def _answers(
    nodes: Sequence[Mapping[str, Any]], looks: Sequence[Look], note: Note
) -> Iterator[tuple[str, list[str | None]]]:
    """Yield what each node answers, with its host's name and address."""
    ask, on_node = ray.remote(looked_at), ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy
    asked = {
        ask.options(
            num_cpus=0,
            max_retries=0,
            scheduling_strategy=on_node(node_id=node["NodeID"], soft=False),
        ).remote(looks): node
        for node in nodes
    }
    answered, late = ray.wait(list(asked), num_returns=len(asked), timeout=_ANSWER_SECONDS)
    for reference in answered:
        node = asked[reference]
        try:
            host, found = ray.get(reference)
        except ray.exceptions.RayError as error:
            why = first_line(error)
            note(f"host {_name(node)} could not be asked what it sees ({why}); the run goes on")
        else:
            yield f"{host} ({node['NodeManagerAddress']})", found
    for reference in late:
        note(f"host {_name(asked[reference])} has not said in {_ANSWER_SECONDS:g} s what it sees; the run goes on")
        ray.cancel(reference, force=True)


def _name(node: Mapping[str, Any]) -> str:
    return f"{node['NodeManagerHostname']} ({node['NodeManagerAddress']})"


def _refusal(look: Look, found: Sequence[tuple[str, str]], nodes: int) -> str:
    hosts = ", ".join(host for host, _ in found[:_HOSTS_NAMED])
    more = f" and {len(found) - _HOSTS_NAMED:,} more" if len(found) > _HOSTS_NAMED else ""
    word = "host" if len(found) == 1 else "hosts"
    if is_uri(look.path):
        remedy = (
            "each host reads and writes by itself: give the cluster's machines the credentials, such as by a role, or "
            "hand variables on with `submit --env NAME`"
        )
    else:
        remedy = (
            "workers on all hosts need the same folder: give a URI, or a folder that all of them share; if it is one, "
            "add --shared-filesystem"
        )
    return f"{look.what} {look.place}, seen from {word} {hosts}{more} of {nodes}: {found[0][1]}; {remedy}"

import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import Version
from ray.autoscaler._private.util import prepare_config, validate_config

ROOT = Path(__file__).parents[2]
IMAGE = re.compile(r"rayproject/ray:(?P<ray>[\d.]+)-py(?P<major>\d)(?P<minor>\d+)-(?P<device>cpu|gpu)")
THE_WORLD = ("0.0.0.0/0", "::/0")

Config = dict[str, Any]


@pytest.fixture
def config() -> Config:
    """The file as written."""
    # By value: the file's anchors make node types share parts, and a test changes one of them alone.
    loaded: Config = without_sharing(yaml.safe_load((ROOT / "cluster.yaml").read_text()))
    return loaded


@pytest.fixture
def project() -> Config:
    """The project table of pyproject.toml."""
    table: Config = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return table


def without_sharing(value: Any) -> Any:
    """The same value, with no part in two places."""
    if isinstance(value, dict):
        return {key: without_sharing(part) for key, part in value.items()}
    return [without_sharing(part) for part in value] if isinstance(value, list) else value


def checked(config: Config) -> Config:
    """The configuration as `ray up` would use it, after Ray's own checks."""
    prepared = prepare_config(config)
    validate_config(prepared)
    return prepared


def leaves(value: Any) -> Iterator[str]:
    """Every value in the configuration that is not a container, as text."""
    if isinstance(value, dict):
        for part in value.values():
            yield from leaves(part)
    elif isinstance(value, list):
        for part in value:
            yield from leaves(part)
    else:
        yield str(value)


def doors_to_the_world(config: Config) -> list[str]:
    """The values that name every address there is."""
    return [leaf for leaf in leaves(config) if any(range_ in leaf for range_ in THE_WORLD)]


def requirements(commands: list[str]) -> dict[str, Requirement]:
    """What the `pip install` commands install, by name."""
    words = [word for command in commands for word in shlex.split(command.removeprefix("pip install"))]
    named = [Requirement(word) for word in words if not word.startswith("-")]
    return {requirement.name: requirement for requirement in named}


def ray_pin(config: Config) -> str:
    """The one version of Ray that the set-up installs."""
    (specifier,) = requirements(config["setup_commands"])["ray"].specifier
    assert specifier.operator == "=="
    return specifier.version


def images(config: Config) -> dict[str, re.Match[str]]:
    """The parts of the image's name, for each node type."""
    found = {}
    for name, node_type in config["available_node_types"].items():
        image = node_type.get("docker", {}).get("worker_image", config["docker"]["image"])
        match = IMAGE.fullmatch(image)
        assert match is not None, image
        found[name] = match
    return found


def test_ray_accepts_the_file(config: Config) -> None:
    """Ray's schema and rules have nothing against it."""
    prepared = checked(config)
    assert set(prepared["available_node_types"]) == {"head", "cpu_workers", "gpu_workers"}


@pytest.mark.parametrize(
    ("path", "typo"),
    [
        ((), "max_worker"),
        (("docker",), "imagee"),
        (("auth",), "ssh_usr"),
        (("available_node_types", "cpu_workers"), "min_worker"),
        (("available_node_types", "gpu_workers", "docker"), "image"),
    ],
)
def test_ray_refuses_a_key_that_it_does_not_know(config: Config, path: tuple[str, ...], typo: str) -> None:
    """A misspelt key is an error here, not a setting that silently does nothing."""
    part = config
    for key in path:
        part = part[key]
    part[typo] = 1
    with pytest.raises(Exception, match=rf"Additional properties are not allowed \('{typo}' was"):
        checked(config)


def test_ray_refuses_a_head_type_that_is_not_there(config: Config) -> None:
    """Ray's rules beyond its schema are checked too."""
    config["head_node_type"] = "nobody"
    with pytest.raises(ValueError, match="must be one of `available_node_types`"):
        checked(config)


def test_no_work_goes_to_the_head(config: Config) -> None:
    """The head offers neither cores nor GPUs, and is never started as a worker."""
    prepared = checked(config)
    head = prepared["available_node_types"][prepared["head_node_type"]]
    assert head["resources"] == {"CPU": 0, "GPU": 0}
    assert head["max_workers"] == 0


def test_both_pools_scale_from_nothing_and_end_somewhere(config: Config) -> None:
    """Idle pools cost nothing, and every limit can be reached under the one for all workers."""
    prepared = checked(config)
    pools = [prepared["available_node_types"][name] for name in ("cpu_workers", "gpu_workers")]
    assert [pool["min_workers"] for pool in pools] == [0, 0]
    assert all(pool["max_workers"] > 0 for pool in pools)
    assert sum(pool["max_workers"] for pool in pools) == prepared["max_workers"]
    assert prepared["idle_timeout_minutes"] > 0


def test_each_pool_has_the_image_of_its_device(config: Config) -> None:
    """Only GPU workers carry the GPU image, and they ask for the GPU."""
    devices = {name: match["device"] for name, match in images(config).items()}
    assert devices == {"head": "cpu", "cpu_workers": "cpu", "gpu_workers": "gpu"}
    assert "--gpus=all" in config["available_node_types"]["gpu_workers"]["docker"]["worker_run_options"]


def test_every_node_runs_one_ray_and_one_python_that_the_project_supports(config: Config, project: Config) -> None:
    """Images and install command agree, inside the ranges of pyproject.toml."""
    pin = ray_pin(config)
    assert {match["ray"] for match in images(config).values()} == {pin}
    declared = {requirement.name: requirement for requirement in map(Requirement, project["dependencies"])}
    assert declared["ray"].specifier.contains(Version(pin))
    pythons = {f"{match['major']}.{match['minor']}" for match in images(config).values()}
    assert len(pythons) == 1
    assert SpecifierSet(project["requires-python"]).contains(pythons.pop())


def test_nodes_install_what_the_project_declares(config: Config, project: Config) -> None:
    """Every dependency and the extra for S3, with its range; Ray alone is narrowed to one version, with its extras.

    boto3 brings the head a botocore: the driver would publish by it, and a worker without one would end the run.
    """
    installed = requirements(config["setup_commands"])
    wanted = [*project["dependencies"], *project["optional-dependencies"]["s3"]]
    declared = {requirement.name: requirement for requirement in map(Requirement, wanted)}
    assert installed.pop("ray").extras == declared.pop("ray").extras
    assert installed == declared


def test_the_head_can_start_workers(config: Config) -> None:
    """The autoscaler on the head reads its configuration and speaks to EC2."""
    prepared = checked(config)
    assert "boto3" in requirements(config["head_setup_commands"])
    start = " ".join(prepared["head_start_ray_commands"])
    assert "--autoscaling-config=~/ray_bootstrap_config.yaml" in start


def test_no_permission_names_the_world(config: Config) -> None:
    """Nothing in the file, nor in what Ray adds to it, opens a port to every address."""
    assert doors_to_the_world(checked(config)) == []


@pytest.mark.parametrize("rule", [{"IpRanges": [{"CidrIp": "0.0.0.0/0"}]}, {"Ipv6Ranges": [{"CidrIpv6": "::/0"}]}])
def test_a_permission_that_names_the_world_is_found(config: Config, rule: Config) -> None:
    """The check above can fail."""
    permission = {"FromPort": 22, "ToPort": 22, "IpProtocol": "tcp", **rule}
    config["provider"]["security_group"] = {"GroupName": "open", "IpPermissions": [permission]}
    assert len(doors_to_the_world(checked(config))) == 1


def test_ray_is_given_no_security_group_to_fill_in(config: Config) -> None:
    """Ray lets SSH in from anywhere wherever it fills in a group; it leaves one that a node names alone."""
    assert "security_group" not in config["provider"]
    for node_type in config["available_node_types"].values():
        interfaces = node_type["node_config"]["NetworkInterfaces"]
        assert interfaces
        assert all(interface["Groups"] for interface in interfaces)


def test_no_node_has_a_public_address(config: Config) -> None:
    """Nodes are reached over private addresses, and by their instance id from outside."""
    assert config["provider"]["use_internal_ips"] is True
    for node_type in config["available_node_types"].values():
        interfaces = node_type["node_config"]["NetworkInterfaces"]
        assert [interface["AssociatePublicIpAddress"] for interface in interfaces] == [False]
    assert config["auth"]["ssh_proxy_use_node_id"] is True
    assert f"--region {config['provider']['region']} " in config["auth"]["ssh_proxy_command"]


def test_every_disk_is_encrypted_and_goes_with_its_node(config: Config) -> None:
    """Documents' text that Ray spills is never readable from a volume left behind."""
    for node_type in config["available_node_types"].values():
        volumes = [mapping["Ebs"] for mapping in node_type["node_config"]["BlockDeviceMappings"]]
        assert volumes
        assert all(volume["Encrypted"] is True for volume in volumes)
        assert all(volume["DeleteOnTermination"] is True for volume in volumes)
    assert config["provider"]["cache_stopped_nodes"] is False


def test_the_dashboard_listens_on_loopback_only(config: Config) -> None:
    """Whoever reaches the dashboard can run code: it is reached through SSH."""
    (start,) = [c for c in checked(config)["head_start_ray_commands"] if "ray start" in c]
    assert re.findall(r"--dashboard-host=(\S+)", start) == ["127.0.0.1"]


def test_every_node_asks_for_the_token_and_has_it(config: Config) -> None:
    """The containers of all node types are in token mode, with the token where Ray looks for it."""
    prepared = checked(config)
    assert "--env RAY_AUTH_MODE=token" in prepared["docker"]["run_options"]
    assert prepared["file_mounts"] == {"/home/ray/.ray/auth_token": "~/.ray/auth_token"}
    # A node type's own `run_options` would replace the shared ones.
    assert all("run_options" not in t.get("docker", {}) for t in prepared["available_node_types"].values())

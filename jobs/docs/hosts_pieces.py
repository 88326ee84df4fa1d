"""Tables and sentences of what faults on several hosts did to a run, as docs/cluster.md has them."""

from measured_figures import read_figures, table

__all__ = ["faults_on_hosts", "faults_on_hosts_in_a_sentence", "links_of_hosts"]


def faults_on_hosts() -> str:
    """Return the table of faults: what was seen of each."""
    rows = [
        [
            line["sentence"].rstrip("."),
            f"{line['seconds']:.0f} s",
            "" if line["seconds_to_notice"] is None else f"{line['seconds_to_notice']:.0f} s",
            f"{line['units_done_again']}",
            f"{line['longest_silence']:.0f} s",
        ]
        for line in read_figures("hosts")["rounds"]
    ]
    return table(
        ["fault", "whole command", "noticed after", "units begun again", "longest silence of the progress"], rows
    )


def faults_on_hosts_in_a_sentence() -> str:
    """Return what the runs came to."""
    found = read_figures("hosts")
    rounds = found["rounds"]
    good = sum(not line["problems"] for line in rounds)
    lost, twice = (sum(line[name] for line in rounds) for name in ("rows_lost", "rows_twice"))
    return (
        f"{good} of {len(rounds)} runs of {found['units']} units ended complete, were verified and have the rows of a "
        f"run by one process: {lost} rows were lost, {twice} are there twice.\n"
    )


def links_of_hosts() -> str:
    """Return the table of bytes that each worker's link received, beside those of the vectors and the store."""
    found = read_figures("hosts")
    counts = sorted({line["workers_a_host"] for line in found["links"]})
    received = {(line["host"], line["workers_a_host"]): line["received"] for line in found["links"]}
    hosts = sorted({host for host, _ in received if host.startswith("w")})
    rows = [[f"`{host}`", *(f"{received[host, count] / 1e6:.0f} MB" for count in counts)] for host in hosts]
    sizes = ", ".join(f"{found[f'{name}_bytes'] / 1e6:.0f} MB of {name}" for name in ("vectors", "store"))
    return table([sizes, *(f"{count} worker{'s' * (count > 1)} a host" for count in counts)], rows)

"""Count the rooms of the package, the floors that they stand on, and the arrows between them, from the imports.

::

    python jobs/layout.py

A room is a folder of the package, or a module that lies loose in it. An arrow leads from one room to another that it
imports from. A room stands one floor above the highest one that it imports from. Needs the extra ``test``: the imports
are import-linter's own graph.
"""

import json
import sys
from graphlib import CycleError, TopologicalSorter

from w2vray.cli.extras import extra

with extra("test"):
    import grimp

PACKAGE = "w2vray"


def main() -> int:
    """Print rooms, floors and arrows; 1 where rooms import from one another in a circle."""
    graph = grimp.build_graph(PACKAGE)
    inside = [module for module in graph.modules if module != PACKAGE]
    above: dict[str, set[str]] = {room(module): set() for module in inside}
    for module in inside:
        imported = graph.find_modules_directly_imported_by(module)
        above[room(module)] |= {room(other) for other in imported if other != PACKAGE} - {room(module)}
    try:
        order = list(TopologicalSorter(above).static_order())
    except CycleError as error:
        print(f"a circle: {' -> '.join(error.args[1])}")
        return 1
    floors: dict[str, int] = {}
    for name in order:
        floors[name] = max((floors[below] + 1 for below in above[name]), default=0)
    for floor in sorted(set(floors.values()), reverse=True):
        print(f"{floor:2}  {', '.join(sorted(name for name in floors if floors[name] == floor))}")
    arrows = sum(len(below) for below in above.values())
    print(json.dumps({"rooms": len(above), "floors": len(set(floors.values())), "arrows": arrows}))
    return 0


def room(module: str) -> str:
    """Return the room that a module is in."""
    return module.removeprefix(f"{PACKAGE}.").partition(".")[0]


if __name__ == "__main__":
    sys.exit(main())

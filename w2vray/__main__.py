"""``python -m w2vray VERB``."""

import sys
from pathlib import Path

if __name__ == "__main__":
    # Python puts the folder one stands in first: a json.py in it would be taken for Python's own. That of the package
    # itself stays, where it is run as it lies, without an installation.
    if not sys.flags.safe_path and sys.path[0] != str(Path(__file__).parents[1]):
        del sys.path[0]
    from w2vray.cli import main

    main()

"""``python -m w2vray VERB``."""

import os
import sys

if __name__ == "__main__":
    if sent := os.environ.get("W2VRAY_SENT"):
        from w2vray.sent import accepted

        if not accepted(sent, sys.argv[1:]):
            sys.exit(2)

    from w2vray.cli import main

    main()

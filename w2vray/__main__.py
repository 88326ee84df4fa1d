"""``python -m w2vray VERB``."""

from w2vray.cli import main

if __name__ == "__main__":
    main()

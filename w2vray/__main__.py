"""``python -m w2vray VERB``."""

if __name__ == "__main__":
    from w2vray.cli import main

    main()

"""`python -m nolock`."""

from nolock.cli import main

if __name__ == "__main__":
    main()

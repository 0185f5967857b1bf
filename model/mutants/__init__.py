"""Known bugs, each a small located edit of a design."""

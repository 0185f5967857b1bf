"""Ways to find an object's start from the address of its link, one file each."""

"""The command line, reports and CI output."""

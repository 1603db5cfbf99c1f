"""The command line: `app` holds what commands share, `main` registers them and runs one."""

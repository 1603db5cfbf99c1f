"""The reading interface: what is published and stored, over HTTP, for programs that cannot open the files."""

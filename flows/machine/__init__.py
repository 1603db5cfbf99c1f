"""One machine: start the servers, serve the deployments, supervise and examine them."""

"""What the next-hour networks share: inputs, samples, levels, network and forecaster."""

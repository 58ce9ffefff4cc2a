"""What happens to pixels before the network: statistics, rescaling, tiles."""

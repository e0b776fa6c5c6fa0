"""The methods as samplers for any PyTorch training loop."""

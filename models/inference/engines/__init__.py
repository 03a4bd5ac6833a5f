"""What runs a network: torch, or OpenVINO on CPUs. Same inputs, same outputs."""

//! Seeded noise, bit-identical to `torch.randn` on the CPU: drawn on the host, the same on every device.

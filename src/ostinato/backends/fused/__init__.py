"""The compiler: any cell whose step keeps rows apart, as fused loops on a CPU."""

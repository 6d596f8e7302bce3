"""ada_star: AdaSTaR, adaptive sampling for diversity and curriculum."""

from star_cli.methods.ada_star.method import AdaStar

__all__ = ["AdaStar"]

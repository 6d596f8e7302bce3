"""b_star: B-STaR, exploration and exploitation kept in balance."""

from star_cli.methods.b_star.method import BStar

__all__ = ["BStar"]

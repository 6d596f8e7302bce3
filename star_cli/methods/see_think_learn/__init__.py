"""see_think_learn: See-Think-Learn, a model that sees teaches itself to look."""

from star_cli.methods.see_think_learn.method import SeeThinkLearn

__all__ = ["SeeThinkLearn"]

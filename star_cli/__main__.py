"""python -m star_cli is the command star."""

from star_cli.cli.main import main

main()

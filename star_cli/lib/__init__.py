"""Knowledge that would stand without star: text, SQL, theory, statistics. Standard library and numpy."""

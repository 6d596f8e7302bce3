from typing import Any
def show_finished(run: Any, terminal: Any) -> None:
    print(run.path)

"""A plug-in for the tests of `star view`: an engine whose texts hold all that a page must show, and must not obey."""

from scripted_texts import TEXTS

from star_cli.api import Completion, Engine, register, seed_of
from star_cli.core import registry


@register("engine", "scripted")
class Scripted(Engine):
    """Answers a question that its task knows, right or wrong by the seed of the request."""

    task: str = "jsonl"
    path: str = ""
    seconds: float = 0.0

    def open(self, model, runtime):
        task = registry.get("task", self.task)(**({"path": self.path} if self.path else {}))
        task.check()
        answers = {task.prompt(p).text: p.answer for split in ("train", "dev") for p in task.problems(split)}
        return Session(self, model, answers)


class Session:
    device = "none"

    def __init__(self, spec, model, answers):
        self.spec, self.model, self.answers = spec, model, answers

    def stream(self, requests):
        import time

        for request in requests:
            time.sleep(self.spec.seconds)
            answer = self.answers.get(request.prompt.text, "?")
            draw = seed_of("scripted", request.seed, request.id[0], bits=16)
            if self.spec.task == "tiny_sql":
                wrong = answer.replace("SELECT", "SELECT DISTINCT", 1) + " LIMIT 1"
                text = f"plan: look it up\nSQL: {answer if draw % 3 else wrong}"
            else:
                text = TEXTS[draw % len(TEXTS)].replace("{answer}", answer).replace("{wrong}", answer + "0")
            finish = "length" if "never comes" in text else "stop"
            yield Completion(request.id, text, len(text.split()), finish, -0.01 * (draw % 500))

    def score(self, items):
        return [0.0 for _ in items]

    def swap(self, model):
        self.model = model
        return True

    def sleep(self):
        pass

    wake = close = sleep

"""A plug-in for the tests of `star view`: an engine whose texts hold all that a page must show, and must not obey."""

from star_cli.api import Completion, Engine, register, seed_of
from star_cli.core import registry

HOSTILE = "<script>document.title='owned'</script><img src=x onerror=alert(1)>\x1b[31mred\u202etxet"
THOUGHT = "<think>First I guess 13. Then I count again: 6 + 7 = 13, and 2 + 2 = 5.</think>\n"
TEXTS = (
    THOUGHT + "Half of it is $\\frac{1}{2}$, so 500 * 2 = <<500*2=1000>>1000. The answer is {answer}.",
    "<think>This thought never comes to its end, for the tokens are used up before",
    HOSTILE + "\nThe answer is {wrong}.",
    "```python\ndef half(x):\n    return x / 2  # <b>bold</b>\n```\nSo 3 + 4 = 8. The answer is {wrong}.",
    "It is one thousand, which is \\[ 10^3 = 1{,}000 \\] The answer is {answer}.",
)


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

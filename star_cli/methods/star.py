"""STaR (Zelikman, Wu, Mu, Goodman 2022, arXiv 2203.14465, algorithm 1), and STaR-Acc.

    for n = 1..N:  D_n = {right rationales of M_{n-1}}
                         + {right rationales of M_{n-1} with the answer as a hint, where it failed without}
                   M_n = train(M, D_n)                              M is the *base* model, not M_{n-1}

Every round collects its data afresh and fine-tunes the base anew; the hint is not in the training text.
"""

from __future__ import annotations

from dataclasses import field
from typing import Any, ClassVar

from star_cli.core.registry import part_of, register
from star_cli.errors import need
from star_cli.run.lab import Lab, Method
from star_cli.store.artifacts import Artifact


@register("method", "star")
class STaR(Method):
    """STaR (Zelikman et al. 2022, arXiv 2203.14465): train the base anew on each round's right rationales.

    ``samples=1`` and greedy sampling are the paper's; ``rationalize=false`` is its ablation. ``show_hint`` is the share
    of the rationalized examples whose training prompt keeps the hint (``p_show_hint_save`` of the published code, 0
    there unless set; the paper's algorithm shows none): it keeps a small model able to use one. ``teacher`` is an
    engine that writes the rationales of round 1 in the model's place, not part of the paper (rationale distillation):
    ``+method.teacher={name: openai, model: NAME, api: chat, urls: [URL]}``.
    """

    weights_continue: ClassVar[bool] = False
    rounds: int = 5
    samples: int = 1
    rationalize: bool = True  # retry what was not solved with the answer as a hint
    show_hint: float = 0.0  # share of rationalized examples that keep the hint
    teacher: dict[str, Any] = field(default_factory=dict)  # an engine that writes the first round

    def check(self) -> None:
        super().check()
        need(0 <= self.show_hint <= 1, f"method.show_hint must be a share from 0 to 1, got {self.show_hint}")
        need(
            self.rationalize or not self.show_hint,
            f"method.show_hint={self.show_hint} has no effect with method.rationalize=false",
            "leave one of them out",
        )
        if self.teacher:
            part_of("engine", self.teacher, "method.teacher")

    def run(self, lab: Lab) -> Artifact:
        base = model = lab.base_model()
        lab.evaluate(model, round=0)
        for n in lab.rounds(self.rounds):
            problems = lab.problems("train", round=n)
            teacher = part_of("engine", self.teacher, "method.teacher") if self.teacher and n == 1 else None
            kept = [lab.filter(problems, lab.generate(model, problems, round=n, engine=teacher))]
            if self.rationalize:  # the unsolved again, with the answer as a hint
                hinted = lab.generate(model, problems, round=n, hint=True, unless=kept[0], engine=teacher)
                kept.append(lab.filter(problems, hinted))
            model = lab.finetune(model if self.weights_continue else base, kept, round=n)
            lab.evaluate(model, round=n)
        return model


@register("method", "star_acc")
class StarAcc(STaR):
    """STaR-Acc of the AdaSTaR paper (Koh et al. 2025, arXiv 2505.16322): STaR whose weights continue round by round.

    What accumulates is the weights, not the data: every round collects its data afresh.
    """

    weights_continue: ClassVar[bool] = True

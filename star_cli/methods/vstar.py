"""vstar: V-STaR (Hosseini et al. 2024, arXiv 2402.06457, algorithm 1): a generator of right texts, a verifier of all.

G_SFT = SFT(base, gold);  D_GEN = gold
for t = 1..T:  S = k samples of each problem from G;  D_GEN += right ones of S;  D_VER += S;  G = SFT(base, D_GEN)
V = DPO(G_SFT, pairs of D_VER), once; of many candidates of G the one most likely under V is the answer
"""

from __future__ import annotations

from typing import Any, ClassVar

from star_cli.core.registry import register
from star_cli.errors import need
from star_cli.run.lab import Lab, Method
from star_cli.store.artifacts import Artifact


@register("method", "vstar")
class VStar(Method):
    """The generator restarts from the base every round on all data so far; the verifier is trained once, at the end.

    ``gold=false`` for data without solutions of its own: then the base writes the first samples. ``verifier_start`` is
    what the verifier is trained from (and DPO's reference): sft, the first fine-tuned model, as in the paper; or last,
    the final generator, a better judge where no gold solutions made the first one good; auto is sft with gold and last
    without. ``verifier=orm`` trains the paper's baseline instead, ``verifier=none`` votes only.
    The paper does not state its sampling temperature; 0.7 is ours.
    """

    defaults: ClassVar[dict[str, Any]] = {"sampling.temperature": 0.7, "filter.limit": 0}
    verifier: ClassVar[str] = "dpo"
    needs_all_samples: ClassVar[bool] = True
    rounds: int = 3
    samples: int = 16
    gold: bool = True
    verifier_start: str = "auto"

    def check(self) -> None:
        super().check()
        need(
            self.verifier_start in ("auto", "sft", "last"),
            f"method.verifier_start must be auto, sft or last, got {self.verifier_start!r}",
        )

    def run(self, lab: Lab) -> Artifact:
        base = lab.base_model()
        problems = lab.problems("train", round=1)
        gold = lab.gold(problems) if self.gold else None
        kept = [gold] if gold else []
        model = lab.finetune(base, kept, round=0) if kept else base
        first = model if kept else None
        lab.evaluate(model, round=0)
        seen = []
        for t in lab.rounds(self.rounds):
            samples = lab.generate(model, problems, round=t)
            judged = lab.filter(problems, samples)
            kept.append(judged)
            seen.append((problems, samples, judged))
            model = lab.finetune(base, [lab.merge(kept, round=t)], round=t)
            first = first or model
            lab.evaluate(model, round=t)
        start = first if self.verifier_start == "sft" or (self.verifier_start == "auto" and self.gold) else model
        assert start is not None
        lab.choose(model, start, lab.collect(seen, gold=gold, round=t), round=t)
        return model

"""star_sql: STaR-SQL (He et al. 2025, arXiv 2502.13550): rationales that end in SQL, kept where the SQL executes right.

for n = 1..N:  S = k samples of each question from M_{n-1};  kept = those with the gold query's result
               H = k samples of each question without a right one, with the gold query as a hint; the right ones join
               M_n = SFT(M, kept)                  M is the original model, and the hint is never in the training text
ORM = LM with a scalar head, on right and wrong samples of all rounds; of 16 candidates its best is the answer
"""

from __future__ import annotations

from typing import Any, ClassVar

from star_cli.core.registry import register
from star_cli.errors import need
from star_cli.run.lab import Lab, Method
from star_cli.store.artifacts import Artifact


@register("method", "star_sql")
class StarSQL(Method):
    """``hinted`` samples are drawn with the hint for each unsolved question (0: ``samples`` of them);
    ``rationalize=false`` leaves that out.

    The verifier starts from the last generator and learns from the samples of all rounds, the hinted ones too with
    ``verify_hinted``. The paper's number of rounds, temperature, epochs, what is kept of several right samples and
    where its verifier starts were not to be found; 3 rounds, 0.8, all different ones and the last generator are ours.
    """

    defaults: ClassVar[dict[str, Any]] = {
        "sampling.temperature": 0.8,
        "filter.limit": 0,
        "verification.temperature": 0.8,
    }
    verifier: ClassVar[str] = "orm"
    needs_all_samples: ClassVar[bool] = True
    rounds: int = 3
    samples: int = 8
    hinted: int = 0
    rationalize: bool = True
    verify_hinted: bool = False

    def check(self) -> None:
        super().check()
        need(self.hinted >= 0, f"method.hinted must be >= 0 (0: as many as samples), got {self.hinted}")
        need(
            self.rationalize or not (self.hinted or self.verify_hinted),
            "method.hinted and method.verify_hinted have no effect with method.rationalize=false",
        )

    def run(self, lab: Lab) -> Artifact:
        base = model = lab.base_model()
        lab.evaluate(model, round=0)
        seen = []
        for n in lab.rounds(self.rounds):
            problems = lab.problems("train", round=n)
            samples = lab.generate(model, problems, round=n)
            kept = [lab.filter(problems, samples)]
            seen.append((problems, samples, kept[0]))
            if self.rationalize:  # the unsolved are the difficult ones: they are drawn again, the gold query shown
                hinted = lab.generate(model, problems, round=n, hint=True, unless=kept[0], samples=self.hinted or None)
                kept.append(lab.filter(problems, hinted))
                if self.verify_hinted:
                    seen.append((problems, hinted, kept[1]))
            model = lab.finetune(base, kept, round=n)
            lab.evaluate(model, round=n)
        lab.choose(model, model, lab.collect(seen, round=n), round=n)
        return model

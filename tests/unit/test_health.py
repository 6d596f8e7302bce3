"""The health of a loop: every number by hand, the hint-leak check on texts, and a whole run that reports it."""

import pytest
from conftest import SMALL, call

from star_cli.core.records import Example, Metric, Problem, Rationale, Verdict
from star_cli.lib.health import MEANING, History, JudgedSample, balance, easiest, health, leaks
from star_cli.store.artifacts import Store
from star_cli.store.maintenance import verify
from star_cli.store.runs import Run


def looked(name, *samples, hinted=False, tokens=10):
    """Samples of one problem: (text, right)."""
    problem = Problem(id=name, question="1 + 1", answer="2")
    return [
        JudgedSample(
            problem,
            Rationale(
                problem_id=name,
                sample=i,
                text=text,
                hinted=hinted,
                finish="stop",
                tokens=tokens,
                logprob=None,
                seed=0,
                prompt_key="",
            ),
            Verdict(problem_id=name, sample=i, correct=right, answer="2", reason="MATCH" if right else "MISMATCH"),
        )
        for i, (text, right) in enumerate(samples)
    ]


def kept(*rows):
    return [
        Example(problem_id=name, sample=i, prompt="", completion=text, origin=origin)
        for i, (name, origin, text) in enumerate(rows)
    ]


FIRST = [
    *looked("a", ("x", True), ("x", True)),
    *looked("b", ("x", False), ("y", True)),
    *looked("c", ("x", False)),
    *looked("c", ("h", True), hinted=True, tokens=99),
]
KEPT = kept(("a", "own", "x"), ("b", "own", "y"), ("c", "rationalized", "h"))


def test_the_first_round_tells_nothing_of_a_round_before():
    told, history = health(FIRST, KEPT, History(), 2)
    assert not {"newly_solved", "forgotten", "asked_again", "unhinted_pass"} & set(told)
    assert told["unique_rationales"] == (2 / 3, 3) and told["length_drift"] == (1.0, 5)
    assert told["hint_only"] == (1 / 3, 3)
    assert told["balance"][0] == pytest.approx((balance(1, 2, 2) + balance(1, 1, 2) + 0) / 3)
    assert history.counts == {"a": [2, 2], "b": [1, 2], "c": [0, 1]} and history.rescued == ["c"]
    assert history.solved == {"a": True, "b": True, "c": False} and history.tokens == 10


def test_the_next_round_newly_solves_forgets_and_drifts():
    _, history = health(FIRST, KEPT, History(), 2)
    second = [
        *looked("a", ("z", False), tokens=15),
        *looked("c", ("z", True), tokens=25),
        *looked("d", ("z", True), tokens=20),
    ]
    told, later = health(second, kept(("c", "own", "z"), ("d", "own", "z")), history, 2)
    assert told["asked_again"] == (2, 3) and told["newly_solved"] == (1, 2) and told["forgotten"] == (1, 2)
    assert told["length_drift"] == (2.0, 3) and told["unhinted_pass"] == (1.0, 1)
    assert told["hint_only"] == (0.0, 2) and "hint_leak" not in told
    assert later.rescued == [] and later.solved == {"a": False, "b": True, "c": True, "d": True}
    assert later.counts["a"] == [2, 3] and later.tokens == 10


def test_a_problem_not_asked_again_is_neither_forgotten_nor_solved():
    _, history = health(FIRST, KEPT, History(), 1)
    told, later = health(looked("z", ("t", True)), [], history, 1)
    assert not {"newly_solved", "forgotten", "asked_again", "hint_only", "easiest_tenth"} & set(told)
    assert later.rescued == ["c"] and later.solved["a"]


def test_a_round_of_nothing_is_no_number_but_no_fault():
    told, history = health([], [], History(), 1)
    assert told == {} and history == History()


@pytest.mark.parametrize(
    ("different", "selected", "wanted", "score"),
    [(6, 6, 6, 1.0), (3, 6, 6, 0.25), (3, 3, 6, 0.5), (12, 24, 6, 0.5), (0, 0, 6, 0.0), (0, 4, 6, 0.0)],
)
def test_the_balance_score_is_the_papers(different, selected, wanted, score):
    assert balance(different, selected, wanted) == pytest.approx(score)


def test_ties_at_the_border_of_the_easiest_tenth_share_the_places():
    rates = {str(i): 1.0 if i < 1 else 0.5 if i < 5 else 0.0 for i in range(20)}
    easy = easiest(rates)
    assert easy["0"] == 1 and easy["1"] == pytest.approx(1 / 4) and sum(easy.values()) == pytest.approx(2)
    assert set(easy) == {"0", "1", "2", "3", "4"} and easiest({}) == {}
    assert sum(easiest({"a": 1.0, "b": 0.5}).values()) == pytest.approx(0.2)


def test_the_share_of_the_easiest_tenth_counts_kept_examples():
    samples = [s for i in range(20) for s in looked(f"p{i}", *[(f"t{n}", n < (4 if i < 2 else 1)) for n in range(4)])]
    rows = [(s.problem.id, "own", s.rationale.text) for s in samples if s.verdict.correct]
    told, _ = health(samples, kept(*rows), History(), 1)
    assert told["easiest_tenth"] == (pytest.approx(8 / 26), 26)
    told, _ = health(samples, kept(*[r for r in rows if r[2] == "t0"]), History(), 1)
    assert told["easiest_tenth"] == (pytest.approx(0.1), 20)


PENS = Problem(id="p", question="Boxes of 3 pens, 4 boxes, 1 given away. How many pens?", answer="work\n#### 11")
SUM = Problem(id="s", question="6 2 4 + 2 5 9", answer="8 8 3")
MILK = Problem(id="m", question="Where does milk stay fresh?", answer="b", choices=["oven", "refrigerator", "shelf"])


@pytest.mark.parametrize(
    ("problem", "text", "leak"),
    [
        (PENS, "Mira has 3 * 4 = 12 pens. She keeps 12 - 1 = 11 pens.\n#### 11", False),
        (PENS, "There are 11 pens. 3 * 4 - 1 = 11.\n#### 11", True),
        (PENS, "Answer: 11\nMira has 12, minus 1.", True),
        (PENS, "12 - 1 = 11 pens in all. The answer is 11.", False),  # behind an equals sign it was worked out
        (PENS, "We know 110 pens are too many. So 11.", False),  # 110 is not 11
        (PENS, "As given, she keeps some. 3 * 4 - 1 = 11", True),
        (PENS, "The answer is given. So 11.", True),
        (PENS, "Mira has 12 (CORRECT). Minus 1.", True),
        (PENS, "The hint says 11. So be it.", True),
        (PENS, "11", False),  # a single step is the work
        (PENS, "", False),
        (
            SUM,
            "<scratch>\n6 2 4 + 2 5 9 , C: 0\n2 + 5 , 3 C: 1\n6 + 2 , 8 3 C: 0\n, 8 8 3 C: 0\n0 8 8 "
            "3\n</scratch>\n8 8 3",
            False,
        ),
        (SUM, "<scratch>\n8 8 3 , C: 0\n2 + 5 , 3 C: 1\n</scratch>\n8 8 3", True),
        (SUM, "<scratch>\n1 8 8 3 , C: 0\n2 + 5 , 3 C: 1\n</scratch>\n8 8 3", False),  # a longer number
        (MILK, "The answer must be a cold place. So refrigerator (b).", False),
        (MILK, "The answer is (b). A refrigerator is cold.", True),
        (MILK, "Not (a), nor (b) at first sight. Hence (b).", False),
        (
            Problem(id="q", question="What is 4 + 0?", answer="4"),
            "4 and 0 are added. So 4.",
            False,
        ),  # the question has it
    ],
)
def test_a_leak_is_an_answer_named_before_any_work(problem, text, leak):
    assert leaks(problem, text) is leak


# ---- in a run
def test_every_run_reports_its_health_without_being_asked(home):
    args = [*SMALL[:1], "rounds=3", "task.train=40", "task.dev=10", "samples=2", "sampling.temperature=1", "name=demo"]
    done = call(home, "run", *args)
    assert done.code == 0, done.err
    assert "newly" in done.out and "hint\n" not in done.err and "health" in done.out
    run, store = Run(home, "demo"), Store(home / "artifacts")
    rows = call(home, "show", "demo", "--json").json["rounds"]
    assert rows[0]["health"] == {} and set(rows[1]["health"]) < set(rows[3]["health"]) <= set(MEANING)
    assert rows[2]["health"]["newly_solved"] >= rows[2]["health"]["forgotten"] >= 0
    own = {n: {v.problem_id: False for v in run.artifact(store, n, "filter").read(Verdict)} for n in (1, 2)}
    for n in own:
        for v in run.artifact(store, n, "filter").read(Verdict):
            own[n][v.problem_id] |= v.correct
    assert rows[2]["health"]["newly_solved"] == sum(own[2][i] and not own[1][i] for i in own[2])
    assert rows[2]["health"]["forgotten"] == sum(own[1][i] and not own[2][i] for i in own[2])
    examples = [e for name in ("filter", "filter-rationalized") for e in run.artifact(store, 2, name).read(Example)]
    assert rows[2]["health"]["hint_only"] == sum(e.origin == "rationalized" for e in examples) / len(examples)
    metrics = {m.name: m for m in run.artifact(store, 2, "health").read(Metric)}
    assert metrics["hint_only"].n == len(examples) and metrics["newly_solved"].round == 2
    assert verify(home, None)[1] == []
    plan = call(home, "plan", *args, "--json").json["stages"]
    assert {(s["round"], s["stage"], s["key"]) for s in plan} == {(e.round, e.name, e.key) for e in run.events()}


def test_the_page_shows_the_health(home):
    assert call(home, "run", *SMALL, "name=demo").code == 0
    text = (home / "runs" / "demo" / "report.html").read_text()
    assert "Health of the loop" in text and "easiest" in text and MEANING["easiest_tenth"][:40] in text

"""The pieces of report.html. Everything a model, a task or a user wrote is escaped; nothing is loaded from outside."""

from __future__ import annotations

from html import escape
from typing import Any

from star_cli.errors import StarError
from star_cli.lib import images
from star_cli.report.columns import Column, duration
from star_cli.report.samples import Sample
from star_cli.report.tables import facts_of
from star_cli.report.terminal import outline
from star_cli.report.text import clean
from star_cli.store.ledger import Event
from star_cli.store.run_info import RunInfo
from star_cli.store.runs import Run

STYLE = """
:root { color-scheme: light dark; --ink: #1d232b; --soft: #5d6875; --ground: #fbfbfc; --card: #fff; --line: #dfe3e8;
  --right: #1a7f45; --wrong: #c0392b; --other: #9a6b00; --code: #f2f4f6; }
@media (prefers-color-scheme: dark) { :root { --ink: #e4e8ed; --soft: #98a3b0; --ground: #14181d; --card: #1b2027;
  --line: #303741; --right: #57c785; --wrong: #ff8a7a; --other: #e0b050; --code: #232a32; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 76rem; padding: 1.5rem 1rem 4rem; background: var(--ground); color: var(--ink);
  font: 16px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.5rem; margin: 0 0 .25rem; overflow-wrap: anywhere; } h2 { font-size: 1.1rem; margin: 2.2rem 0 .7rem; }
p { margin: .25rem 0; } .soft { color: var(--soft); font-size: .875rem; }
code, pre { font-family: ui-monospace, Menlo, Consolas, monospace; font-size: .8125rem; }
code { background: var(--code); border-radius: 4px; padding: .1em .35em; overflow-wrap: anywhere; }
pre { margin: .3rem 0; padding: .5rem .7rem; background: var(--code); border-radius: 6px; white-space: pre-wrap;
  overflow-wrap: anywhere; max-height: 26rem; overflow-y: auto; }
.wide { overflow-x: auto; } table { border-collapse: collapse; font-size: .8125rem;
  font-variant-numeric: tabular-nums; }
th, td { padding: .3rem .5rem; text-align: right; white-space: nowrap; border-bottom: 1px solid var(--line); }
th { color: var(--soft); font-weight: 600; vertical-align: bottom; } td.left, th.left { text-align: left; }
.picture { overflow-x: auto; }
.picture svg { width: 100%; min-width: 30rem; max-width: 50rem; height: auto; display: block; }
.picture text { font-family: system-ui, sans-serif; }
.cards { display: grid; gap: .8rem; grid-template-columns: repeat(auto-fit, minmax(min(100%, 19rem), 1fr));
  margin-bottom: .8rem; }
.card { background: var(--card); border: 1px solid var(--line); border-radius: 8px; padding: .7rem .9rem;
  min-width: 0; }
.right { color: var(--right); } .wrong { color: var(--wrong); } .undecided, .not { color: var(--other); }
.shot { display: block; max-width: 100%; border: 1px solid var(--line); border-radius: 4px; }
summary { cursor: pointer; color: var(--soft); }
"""


def page(title: str, parts: list[str]) -> str:
    """The whole document."""
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; "
        'img-src data:">'
        f"<title>{text(title)}</title><style>{STYLE}</style></head><body>\n" + "\n".join(parts) + "\n</body></html>\n"
    )


def text(value: Any) -> str:
    """Any value as harmless text."""
    return escape(clean(str(value)))


def section(title: str, inside: str) -> str:
    """A part of the page."""
    return f"<section><h2>{text(title)}</h2>{inside}</section>"


def heading(name: str, standing: str, info: RunInfo, built: str) -> str:
    """Name, status, and the settings that differ from the defaults."""
    overrides = " ".join(f"<code>{text(o)}</code>" for o in info.overrides) or "none, all defaults"
    lines = [f"<h1>{text(name)}</h1>", f"<p>{text(standing)}</p>", f"<p>Settings: {overrides}</p>"]
    if info.pins:
        lines.append(f"<p>Taken as they were: {' '.join(f'<code>{text(p)}</code>' for p in info.pins)}</p>")
    times = f"started {info.started}, ended {info.ended or 'not yet'}; {built}"
    lines.append(f'<p class="soft">{text(times)}</p>')
    return "<header>" + "".join(lines) + "</header>"


def picture(svg: str) -> str:
    """An SVG of our own making (its texts are escaped by who drew it)."""
    return f'<div class="picture">{svg}</div>'


def table(columns: list[Column]) -> str:
    """A table that scrolls sideways where it is too wide."""
    head = "".join(_cell("th", c.head.strip(), c.left) for c in columns)
    rows = [zip(row, columns, strict=True) for row in zip(*(c.cells for c in columns), strict=True)]
    body = "".join("<tr>" + "".join(_cell("td", x, c.left) for x, c in row) + "</tr>" for row in rows)
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _cell(tag: str, value: str, left: bool) -> str:
    inside = text(value).replace("\n", "<br>").replace("ration-<br>alized %", "rationalized<br>%")
    return f"<{tag}{' class=left' if left else ''}>{inside}</{tag}>"


def cards(samples: list[Sample]) -> str:
    """Rationales side by side where there is room."""
    return '<div class="cards">' + "".join(card(s) for s in samples) + "</div>"


def pair(before: Sample, after: Sample) -> str:
    """Two answers to one question."""
    return cards([before, after])


def card(s: Sample) -> str:
    """One rationale: question, text, verdict, reason."""
    v = s.verdict
    verdict = f'<b class="{s.outcome.split()[0]}">{text(s.outcome)}</b>' + (f" {text(v.reason)}" if v else "")
    notes = [f"sample {s.rationale.sample}", f"{s.rationale.tokens} tokens"]
    notes += ["with a hint"] * s.rationale.hinted + ["cut off at the token limit"] * (s.rationale.finish == "length")
    notes += [f"{v.wrong_steps} wrong steps"] if v and v.wrong_steps else []
    answer = "none found" if v is None or v.answer is None else v.answer
    about = f'<span class="soft">{text(", ".join([s.problem.id, *notes]))}</span>'
    return (
        f'<div class="card"><p>{verdict} {about}</p>'
        f"{''.join(map(embedded_picture, s.pictures))}<pre>{text(s.problem.question)}{choices(s)}</pre>"
        f"<pre>{text(s.rationale.text)}</pre>"
        f'<p class="soft">answer <code>{text(answer)}</code> expected <code>{text(s.problem.answer)}</code></p>'
        "</div>"
    )


def embedded_picture(path: str) -> str:
    """A problem's picture inside the page, at most 320 pixels wide; or why it cannot be shown."""
    try:
        return f'<img class="shot" alt="{text(path)}" title="{text(path)}" src="{images.embedded(path)}">'
    except StarError as e:
        return f'<p class="soft">{text(e.what)}</p>'


def choices(s: Sample) -> str:
    """The lettered options of a question about a picture; others have them in their text."""
    if not s.pictures:
        return ""
    return "".join(f"\n({x}) {text(c)}" for x, c in zip("abcdefghij", s.problem.choices or [], strict=False))


def stages(run: Run, events: list[Event]) -> str:
    """Every stage with its key, folded away."""
    columns = [
        Column("stage", [e.place for e in events], left=True),
        Column("key", [e.key for e in events], left=True),
        Column("seconds", [duration(None if e.hit else e.seconds) for e in events]),
        Column("numbers", [outline(e) or facts_of(e.metrics) for e in events], left=True),
    ]
    places = (
        f'<p class="soft">Artifacts lie in <code>{text(run.home / "artifacts")}</code>, '
        f"the run in <code>{text(run.path)}</code>. "
        f"Every sample, side by side: <code>star view {text(run.name)}</code></p>"
    )
    return f"<details><summary>{len(events)} stages</summary>{table(columns)}{places}</details>"

r"""The signs of a final answer in a text: what announces one, what denies it, what leads from one to the other.

"The correct answer is", ``\\boxed``, ``####`` and "A:" announce one (PLACES); what stands around them decides.
"""

from __future__ import annotations

import re

LONGEST = 2000  # characters of an answer; a longer one is none
TRIES = 256  # places that are looked at, counted from the end of a text
READ = 16  # places that a grader reads, from the end
NEAR = 160  # characters around such a place that say what it is
BRIEF = 200  # characters of an answer in a tag that may hold a whole text

PLACES = {  # everything that can announce an answer, in small letters; what stands around it decides
    "####": "hash",
    "\\boxed": "boxed",
    "\\fbox": "boxed",
    "\\framebox": "boxed",
    "<answer>": "tag",
    "<final answer>": "tag",
    "<final_answer>": "tag",
    "<finalanswer>": "tag",
    "[answer]": "tag",
    "<final>": "tag",
    "<result>": "tag",
    "<solution>": "tag",
    "answer": "word",
    "solution": "word",
    "option": "word",
    "choice": "word",
    "a:": "line",
    "答案": "chinese",
    "should be": "fix",
    "should have been": "fix",
    "correction": "fix",
    "i mean": "fix",
    "actually": "fix",
}
BEFORE = re.compile(  # "the correct", "so the final", or the beginning of a line or sentence, and then the word
    r"(?:\b(?:the|my|our|final|correct|so|thus|hence|therefore),?\s+(?:[a-z]+\s+){0,2}?"
    r"|(?:^|[.!?>*#_\n:{])[\s*_#>]*(?:final\s+)?)$",
    re.I,
)
DENIED = re.compile(  # before a box: it is no answer
    r"(?:\b(?:not|never|cannot)|n't)\s*(?:be|equal(?: to)?)?\s*(?:[$*({\[\s]|\\[(\[])*$"
    r"|\b(?:suppose|supposing|assume|assuming)\s(?:[^.,;:!?\n]{0,40}\s)?(?:[$*({\[]|\\[(\[])*$"
    r"|\b(?:if|whether)\s(?:(?:it|this|that|the (?:correct |final )?answer) (?:is|was|were"
    r"|equals)\s)?(?:[$*({\[]|\\[(\[])*$",
    re.I,
)
ASKED = re.compile(r"(?:[\s$)\]*]|\\[)\]])*\?")
PICTURES = "✓✔✅✨❤\ufe0f➡🎉👉🎯👍😊🙂🚀⭐"
QUESTION = re.compile(
    r"(?:who|what|which|when|where|why|how|do|does|did|is|are|can|could|will|would|should|has|have)\b", re.I
)  # an answer may be a question
PROGRAM = re.compile(
    r"```(?:python|py|c|cpp|c\+\+|java|javascript|js|bash|sh|r|matlab|julia|sage)\n.*?(?:```"
    r"|\Z)",
    re.S | re.I,
)
POINTER = re.compile(  # "this is the answer"
    r"\b(?:this|that|which|it|what|here|there|who|one)$|^(?:(?:the|an?|my|our|this|correct|final)\s)*(?:answer"
    r"|solution)$",
    re.I,
)
DOLLAR = re.compile(r"(?<!\\)\$")
HANGING = re.compile(
    r"(?:so |thus |therefore,? )?(?:the |my |our )?(?:final )?answer(?: is)?\W*", re.I
)  # torn, or looping
LISTED = re.compile(r"A:[^\n]{0,200}\n[ \t*]*B[:.)]")  # options, not answers
DOUBT = re.compile(r"\b(?:if|whether|suppose|supposing|assume|assuming|unless|what|until)\s*(?:that\s*)?$", re.I)
SAYS = re.compile(  # after "answer": what leads to the value
    r"(?:[^.,;\n\d:=?!\\(]{0,40}?(?:\([^()\n\d]{0,30}\)\s*)?\b(?:is|are|equals"
    r"|(?:must|should|will|would|has to|have to|can only|could only)(?: \w+)? be|comes (?:out )?to(?: be)?"
    r"|turns out to be"
    r"|works out to(?: be)?)\b"
    r"|[\s*_]*(?:\([^()\n\d]{0,30}\)[\s*_]*)?(?:[:=：]|[-=]>|→|⇒))",
    re.I,
)
ALONE = re.compile(r"[ \t]*[*_]*[ \t]*\n")  # a heading: nothing but the word on its line
FORMULA = re.compile(r"[\s:*_]*(?:\$|\\[(\[a-zA-Z{]|[-+−±]?\s?[\d.(\[{]|[a-zA-Z]\s*(?:=|<|>|≤|≥|∈)|∅)")
DIRECT = re.compile(r"[ \t*_]*(?:\$(?![ \t]*\n)|\\\((?![ \t]*\n)|\\\[|\$\$|\\boxed)")  # Answer $9$
CLAIM = re.compile(
    r"\bis\s+(?:indeed\s+)?(?:the|our|my)\s+(?:(?:final|correct|right|required|desired|best|unique|only)\s+){0,2}$",
    re.I,
)
SENTENCE = re.compile(
    r"\n|(?<!\bRs)(?<!\bca)(?<!approx)(?<![ap]\.m)(?<!\b[ap])[.!?](?=[\s\"'*)\]$<]|$)|;\s|。|<(?=/|\|)"
)
HOUR = re.compile(r"\d\s?[ap]\.\s?m\.?", re.I)
HEAD = re.compile(  # "#### Step 2" is a heading of Markdown and no answer
    r"[ \t*_]*(?:\d+[.)][ \t]*)?(?:(?:(?:the )?(?:final )?(?:answer|result|solution)|step|part|case|conclusion"
    r"|notes?|explanation"
    r"|verification|summary|given|approach|analysis|check|method|calculations?|problem|question"
    r"|reasoning)(?=[ \t*]*(?:[\d:.]|$))"
    r"|(?:checking|understanding|finding|setting|calculating|determining|solving|verifying|analyzing|considering|applying|using|why"
    r"|how)\b)",
    re.I,
)
CLOSE = re.compile(  # what closes an answer: signs, delimiters, the end of an environment
    r"(?:\\end\{[a-z]+\*?\}|\\[)\]]|\\(?![A-Za-z])|[)\]}$*_`\"'.!,;: ]|\n(?=[ \t]*(?:\\\]|\$\$|\\end\{)))*"
)
LEAD = re.compile(
    r"(?:\s|\*|_|#|>|-(?=\s+[A-Za-z*])|(?:so|thus|hence|therefore|then|now|finally|and|in conclusion|to conclude"
    r"|in summary|consequently|that is|as a result|final answer|it follows that"
    r"|(?:out of|of|among|from) (?:all |these|the|those|above|given|listed|four|five|answer|possible|choices"
    r"|options|\s)+(?=,)"
    r"|we (?:have|get|find|see|obtain|conclude|know)(?: that)?|this (?:gives|means"
    r"|yields)(?: us)?(?: that)?)(?!\w)|,|:)*",
    re.I,
)

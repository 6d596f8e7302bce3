"""What the scripted engine of the tests of `star view` writes: all that a page must show, and must not obey."""

HOSTILE = "<script>document.title='owned'</script><img src=x onerror=alert(1)>\x1b[31mred\u202etxet"
THOUGHT = "<think>First I guess 13. Then I count again: 6 + 7 = 13, and 2 + 2 = 5.</think>\n"
TEXTS = (
    THOUGHT + "Half of it is $\\frac{1}{2}$, so 500 * 2 = <<500*2=1000>>1000. The answer is {answer}.",
    "<think>This thought never comes to its end, for the tokens are used up before",
    HOSTILE + "\nThe answer is {wrong}.",
    "```python\ndef half(x):\n    return x / 2  # <b>bold</b>\n```\nSo 3 + 4 = 8. The answer is {wrong}.",
    "It is one thousand, which is \\[ 10^3 = 1{,}000 \\] The answer is {answer}.",
)

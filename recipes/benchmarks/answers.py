"""From what a system said to the answer it gave: yes or no, one of the options, or one word.

Every parser returns None where the response holds no answer that can be read; None is counted, never guessed. The mode
`paper` does what the benchmarks' official scripts do, slips included, so that published figures can be compared with.
The mode `strict` reads words instead of substrings and refuses answers that contradict themselves.
"""

import re
import unicodedata
from collections.abc import Sequence

MODES = ("strict", "paper")

_SAME_CHARACTER = str.maketrans(
    {"’": "'", "‘": "'", "ʼ": "'", "`": "'", "“": '"', "”": '"', "–": "-", "—": "-", "‐": "-"}
)
_TAG = re.compile(r"</?\w{1,20}>|\\boxed")
_MARKUP = re.compile(r"[*_~#>\[\](){}\"|\\]+")
# An apostrophe that is not inside a word is a quotation mark.
_LONE_APOSTROPHE = re.compile(r"(?<!\w)'|'(?!\w)")

# The instruction repeated ("yes or no"), and phrases in which "no" and "not" deny nothing.
_NO_VERDICT = re.compile(
    r"\byes ?(?:/|or|and/or|-or-) ?no\b|\bno ?(?:/|or|-or-) ?yes\b"
    r"|\bno (?:doubt|question about it|wonder|problem)\b|\bnot (?:only|just|merely)\b"
    r"|\bwithout (?:a |any )?(?:doubt|question)\b|\b(?:can ?not|can't) deny\b"
)
_ANSWER_WORD = r"(?:(?P<yes>yes|yeah|yep|yup)|(?P<no>no|nope|nah))\b"
# After "no": "no humans are there" is about humans; "no there are none" and "no because ..." are answers.
_A_NOUN = (
    r" (?!(?:there|it|i|we|you|he|she|they|this|that|these|those|the|an?|my|in|on|from|at|to|for|as|because|since|due"
    r"|based|given|and|but|or|so|not)\b)\w"
)
_STATED = re.compile(
    r"\b(?:answer(?: to (?:the|this|your) question)?(?:\s*(?:is|would be|should be|[:=-]))+"
    rf"|i(?:'d| would)? (?:say|think)(?! no{_A_NOUN}))"
    rf"\s*(?:an? )?(?:definite |clear |simple )?{_ANSWER_WORD}"
)
_OPENING = re.compile(rf"\W*(?:and |but |or )?{_ANSWER_WORD}")
_SECOND = re.compile(rf"{_OPENING.pattern}(?!(?<=\bno){_A_NOUN})")
_ALONE = re.compile(rf"(?<=[.,;:!?\n-])\s*(?:(?:so|hence|thus|therefore) )?{_ANSWER_WORD}\s*(?=[.,;:!?\n-]|$)")
_WHOLE = {"y": "yes", "true": "yes", "correct": "yes", "n": "no", "false": "no", "incorrect": "no"}

# What a system says when it does not answer.
_NO_ANSWER = re.compile(
    r"\b(?:can ?not|can't|could not|couldn't|unable to|not able to) (?:\w+ )?"
    r"(?:determine|tell|say|answer|confirm|verify|know|judge|process|listen|access|open|play|assist|help|analy[sz]e"
    r"|provide|(?:hear|listen to) (?:the |any )?(?:audio|recordings?|sounds?)\b(?! of))\b"
    r"|\b(?:not possible|impossible|difficult|hard) to\b"
    r"|\b(?:do not|don't) (?:know|have (?:access|the ability|enough))\b|\bnot (?:\w+ )?(?:sure|certain|clear)\b"
    r"|\b(?:unclear|unsure|uncertain)\b|\bas an? (?:ai|text|(?:large )?language)\b"
    r"|\bno (?:audio|sound file|file|recording|clip|attachment)\b[^.]{0,40}"
    r"\b(?:provided|attached|given|uploaded|shared|included)\b"
)
_SENTENCE_END = re.compile(r"(?<=[.!?\n])")
_CLAUSE_END = re.compile(r"[.!?;\n]+|,? (?:(?<!nothing )but|however|although|though|whereas|while)\b")
_HEDGE = re.compile(r"\b(?:might|may|maybe|perhaps|possible|possibly|if|whether)\b")
_DENIAL = re.compile(
    r"\b(?:no|not|none|nothing|never|neither|nor|without|cannot|unable|absent|absence|lacks?|\w+n't)\b"
)
_EXISTENCE = re.compile(
    r"\b(?:there(?:'s| is| are| was| were| seems?| appears?)|there (?:is|are|was|were)n't|hear|hears|heard|audible"
    r"|contain(?:s|ed|ing)?|include[sd]?|including|present|presence|absent|absence|lacks?|detect(?:s|ed|able)?"
    r"|featur(?:es?|ed|ing)|notice[ds]?|noticeable|identif(?:y|ied|iable)|find|found|exists?"
    r"|in the (?:audio|recording|clip|sound))\b"
)
# That something is there, or can be heard; "what I can hear" does not say so.
_AFFIRMATION = re.compile(
    r"\b(?:there(?:'s| is| are| was| were| seems?| appears?)|(?<!what i )(?<!what i can )hears?|heard|audible"
    r"|contain(?:s|ed|ing)?|include[sd]?|including|present|detect(?:s|ed)?|featur(?:es?|ed|ing)|notice[ds]?"
    r"|identif(?:y|ied)|find|found|exists?)\b"
)
# Words between an affirmation and what denies it: "there seems to be no", "contains the sound of no".
_LINK = re.compile(
    r"an?|the|any|all|this|that|these|of|in|to|at|it|i|we|be|been|is|are|was|were|am|do|does|did|can|could|has|have|had"
    r"|would|seems?|appears?|there|here|also|still|just|audio|recording|clip|sounds?|\w+ly"
)
# What is excepted from a denial is there; whether it is what was asked for, the text alone does not tell.
_EXCEPTION = re.compile(r"\b(?:except(?:ing)?|besides|nothing but|other than|apart from|aside from)\b")


def parse_yes_no(response: str | None, mode: str = "strict") -> str | None:
    """Read a yes or no from a response.

    `paper` is the rule of the Interspeech 2024 and ICASSP 2025 scripts (github.com/kuan2jiu99/audio-hallucination,
    `evaluation.py`): the first of these substrings that is found decides, case mattering:
    "Yes", "yes" -> yes; "No" -> no; "there is no" -> no; "does not contain", "doesn't contain" -> no;
    "contain" -> yes; "not", "unable", "can't" -> no. So "Yesterday" is a yes, "Noise" a no, and "no" alone nothing.

    `strict` reads words, after dropping case, markdown, quotation marks, what stands before `</think>`, repeated
    questions and "yes or no" repeated from the prompt. The first of these steps that finds anything decides; if it
    finds both yes and no, the response contradicts itself and the result is None:

    1. a stated answer ("the answer is no", "Answer: yes", "I would say no"), a yes or no (also yeah, yep, yup, nope,
       nah) that stands alone between punctuation ("Well, yes.", "..., so no."), and, where nothing is stated, one that
       opens the response ("No there isn't"); so "there is no doubt", "yesterday" and the "no" of "Yes. No other
       sounds" are neither;
    2. the whole response being y, n, true, false, correct or incorrect;
    3. saying that it cannot be answered ("I cannot determine", "no audio was provided"): None;
    4. clauses that say that something is there ("I can hear a dog") or is not ("there isn't one", "not present"),
       those with "might", "perhaps", "whether" and the like left out, and those that say both ("I hear rain and no
       dog") or deny with an exception ("nothing but rain").

    Args:
        response: what the system said; None for a question it did not answer.
        mode: one of `MODES`.

    Returns:
        "yes", "no", or None where neither can be read.

    Raises:
        ValueError: an unknown mode.
        TypeError: a response that is neither text nor None.
    """
    response = _checked(response, mode)
    return _parse_yes_no_as_published(response) if mode == "paper" else _parse_yes_no_strictly(response)


def _parse_yes_no_as_published(response: str) -> str | None:
    rules = (
        (("Yes", "yes"), "yes"),
        (("No", "there is no", "does not contain", "doesn't contain"), "no"),
        (("contain",), "yes"),
        (("not", "unable", "can't"), "no"),
    )
    for substrings, answer in rules:
        if any(substring in response for substring in substrings):
            return answer
    return None


def _parse_yes_no_strictly(response: str) -> str | None:
    text = _NO_VERDICT.sub(" ", _normalize(response)).strip()
    # The question repeated is no answer; "Yes?" is too short to be one.
    sentences = _SENTENCE_END.split(text)
    statements = "".join(each for each in sentences if len(each) < 12 or not each.endswith("?")).strip()

    opening = _OPENING.match(text) or _OPENING.match(statements)
    if opening and _NO_ANSWER.match(opening.string):
        opening = None  # "No audio was provided"
    stated = [match.lastgroup for match in _STATED.finditer(statements)]
    verdicts = [match.lastgroup for match in _ALONE.finditer(f"\n{statements}")]
    if opening and not stated:  # before a stated answer, "No" may begin any sentence
        verdicts.append(opening.lastgroup)
        if following := _SECOND.match(opening.string, opening.end()):
            verdicts.append(following.lastgroup)  # "Yes and no"
    if found := set(stated + verdicts):
        return found.pop() if len(found) == 1 else None
    if whole := _WHOLE.get(statements.strip(" .!")):
        return whole
    if _NO_ANSWER.search(statements):
        return None
    found = {answer for clause in _CLAUSE_END.split(statements) if (answer := _read_clause(clause))}
    return found.pop() if len(found) == 1 else None


def _read_clause(clause: str) -> str | None:
    if _HEDGE.search(clause):
        return None
    exists = _EXISTENCE.search(clause) is not None
    denial = _DENIAL.search(clause)
    if not denial:
        return "yes" if exists else None
    if _EXCEPTION.search(clause) or (exists and _is_mixed(clause, denial)):
        return None
    # "Not really" denies; "it does not sound like that at all" says nothing of what is there.
    return "no" if exists or len(clause.split()) <= 4 else None


def _is_mixed(clause: str, denial: re.Match[str]) -> bool:
    """Whether a clause affirms one thing and denies another: "I hear rain and no dog", "without rain, I hear it"."""
    affirmation = _AFFIRMATION.search(clause)
    if not affirmation:
        return False
    if denial.start() < affirmation.end():
        return clause.lstrip(" ,").startswith("without ")
    between = re.findall(r"[\w']+|,", clause[affirmation.end() : denial.start()])
    return not all(_LINK.fullmatch(word) for word in between)


def parse_choice(response: str | None, options: Sequence[str], mode: str = "strict") -> str | None:
    """Read which of the options, lettered (a), (b), ... in the question, a response chooses.

    `paper` is AQUA-Bench's rule (github.com/kuan2jiu99/aqua-bench, `evaluation.py`): the first letter of an option
    that stands before the end of a word decides (so the article "a" chooses the first option and "The" the fifth),
    else the first option whose text the response contains.

    `strict` reads "(b)", "b)", "b.", "b:", "option b", "the answer is b" or the letter alone as a letter, and an
    option's text as whole words, longer texts first. What is read must name one option only, else the result is None.

    Args:
        response: what the system said; None for a question it did not answer.
        options: texts of the options, in the question's order; at most 26.
        mode: one of `MODES`.

    Returns:
        The text of the chosen option, or None.

    Raises:
        ValueError: an unknown mode, no option, or more than 26.
        TypeError: a response that is neither text nor None.
    """
    response = _checked(response, mode)
    if not 1 <= len(options) <= 26:
        raise ValueError(f"1 to 26 options can be lettered, not {len(options)}")
    chosen = _parse_choice_as_published if mode == "paper" else _parse_choice_strictly
    return chosen(response, options)


def _parse_choice_as_published(response: str, options: Sequence[str]) -> str | None:
    text = response.strip().lower()
    last = chr(ord("a") + len(options) - 1)
    if match := re.search(rf"\(?([a-{last}])\)?\b", text):
        return options[ord(match[1]) - ord("a")]
    return next((option for option in options if option.strip().lower() in text), None)


def _parse_choice_strictly(response: str, options: Sequence[str]) -> str | None:
    text = _unify(response)
    letter = f"([a-{chr(ord('a') + len(options) - 1)}])"
    pattern = (
        rf"\({letter}\)|(?<![\w']){letter}\)|(?:^|\n)[^\w\n]*{letter}(?:[.:]|[^\w\n]*(?:$|\n))"
        rf"|\b(?:option|choice|answer(?: is| would be)?|choose|select|pick)\s*:?\s*\W?{letter}(?!\w|\s+\w)"
    )
    chosen = {ord(letter) - ord("a") for match in re.finditer(pattern, text) for letter in match.groups() if letter}
    for index in sorted(range(len(options)), key=lambda index: -len(options[index])):
        words = re.compile(rf"(?<!\w){re.escape(_unify(options[index]).strip())}(?!\w)")
        if words.search(text):
            chosen.add(index)
            text = words.sub(" ", text)  # so that "guitar" is not found in "acoustic guitar"
    return options[chosen.pop()] if len(chosen) == 1 else None


_NUMBERS = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"),
    *("eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen", "twenty"),
)
_LEAD_IN = re.compile(r"^(?:the )?answer(?: is)? |^(?:it|this|that) is |^it's ")
_ARTICLE = re.compile(r"^(?:an?|the) ")


def parse_word(response: str | None) -> str | None:
    """Read the single word that answers a question of Clotho-AQA.

    Case, punctuation, markdown, an article and a lead-in ("The answer is", "It is") are dropped and the digits of 0
    to 20 spelled out, as the annotators did; what is left must be one word.

    Args:
        response: what the system said; None for a question it did not answer.

    Returns:
        The word in lower case, or None where the response is empty or longer than a word.

    Raises:
        TypeError: a response that is neither text nor None.
    """
    text = re.sub(r"[^\w'-]+", " ", _normalize(_checked(response, "strict"))).strip()
    text = _ARTICLE.sub("", _LEAD_IN.sub("", text)).strip("'- ")
    if not text or " " in text:
        return None
    return _NUMBERS[int(text)] if text.isdecimal() and len(text) <= 2 and int(text) < len(_NUMBERS) else text


def parse_answer(
    response: str | None, answer_type: str = "yes_no", options: Sequence[str] | None = None, mode: str = "strict"
) -> str | None:
    """Read a response to a question of any kind: the parser that the question's `answer_type` asks for.

    Args:
        response: what the system said; None for a question it did not answer.
        answer_type: "yes_no", "choice" or "word".
        options: texts of the options where `answer_type` is "choice".
        mode: one of `MODES`; words are read in one way only.

    Returns:
        The answer in the form of the question's `answer` column, or None.

    Raises:
        ValueError: an unknown `answer_type` or mode.
    """
    if answer_type == "yes_no":
        return parse_yes_no(response, mode)
    if answer_type == "choice":
        return parse_choice(response, options or (), mode)
    if answer_type == "word":
        return parse_word(_checked(response, mode))
    raise ValueError(f"answer_type must be yes_no, choice or word, got {answer_type!r}")


def _checked(response: str | None, mode: str) -> str:
    if mode not in MODES:
        raise ValueError(f"mode must be one of {', '.join(MODES)}, got {mode!r}")
    if response is not None and not isinstance(response, str):
        raise TypeError(f"a response must be text or None, got {type(response).__name__}")
    return response or ""


def _unify(response: str) -> str:
    """What follows a reasoning block, in one spelling: compatibility forms, case, apostrophes, dashes, white space."""
    text = unicodedata.normalize("NFKC", response).translate(_SAME_CHARACTER).casefold().rpartition("</think>")[2]
    return re.sub(r"(?: ?\n)+ ?", "\n", re.sub(r"[^\S\n]+", " ", text)).strip()


def _normalize(response: str) -> str:
    """The unified text without markdown, brackets and quotation marks, what is tagged or boxed on lines of its own."""
    text = _LONE_APOSTROPHE.sub(" ", _MARKUP.sub(" ", _TAG.sub("\n", _unify(response))))
    return re.sub(r" +", " ", text).strip()

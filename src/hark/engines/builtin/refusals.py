"""What the offline default cannot do, as a table: how people ask for it, why not, and what kind of model can."""

from __future__ import annotations

import re
from dataclasses import dataclass

_LARGE = (
    "an audio-language model that answers freely, such as Qwen2-Audio, Voxtral, Audio Flamingo 3 or Phi-4-multimodal"
)
_WHISPER = "a Whisper model (faster-whisper:small)"

LANGUAGES = (
    "french|german|spanish|italian|portuguese|dutch|russian|ukrainian|polish|chinese|mandarin|cantonese|japanese|korean|"
    "arabic|hebrew|hindi|urdu|bengali|turkish|swedish|danish|norwegian|finnish|greek|czech|hungarian|romanian|latin|"
    "vietnamese|thai|indonesian|persian|farsi|swahili|tamil|catalan|bulgarian|serbian|croatian|slovak|another language"
)
_ANSWER = (
    "answer|reply|respond|write|summari[sz]e|transcribe|give|list|explain|describe|tell|say|put|output|speak|provide|state|"
    "return|what does|what is"
)


@dataclass(frozen=True)
class Refusal:
    """Why a prompt is refused, in a sentence, and what can do it instead."""

    reason: str
    instead: str


@dataclass(frozen=True)
class _Rule:
    pattern: re.Pattern[str]
    refusal: Refusal


def _rule(pattern: str, what: str, instead: str = _LARGE) -> _Rule:
    return _Rule(re.compile(pattern), Refusal(f"The offline default cannot {what}.", f"Use {instead}."))


TRANSLATION = (
    _rule(
        r"^(?:and |then |also )*(?:translat\w*|interpret) |^translat\w*$|\btranslat(?:e|ion) (?:it|this|that|of|into|"
        r"to)\b(?! who)|"
        r"^(?:what is|what does|how do you say|say) .*\b(?:in|mean in) (?:" + LANGUAGES + r")$",
        "translate: it quotes what was said, in English",
        f"{_WHISPER} to translate speech into English, or {_LARGE}",
    ),
    _rule(
        rf"^(?:{_ANSWER})\b.*\b(?:in|into|to) (?:{LANGUAGES})\b(?! \w+(?:ing|ed)\b)|^(?:in|"
        rf"into) (?:{LANGUAGES})(?: please)?$|^auf \w+$",
        "answer in another language: it quotes what was said, in English",
        f"{_LARGE}, asked in that language",
    ),
)

RULES = (
    _rule(
        r"^(?:write|compose|draft|create|generate|make up|invent|produce|prepare|author|pen)\b(?! (?:(?:me |us |down |"
        r"out |up |"
        r"a |an |the |short |brief |full |complete |exact |word for word |list of |meeting |set of |one sentence )*"
        r"(?:summary|transcript|transcription|minutes|notes|list|action|decision|what|everything|overview|recap|"
        r"keywords|"
        r"to ?dos?|bullet|protocol|words|text|it down|captions|subtitles)))",
        "write anything new: every sentence of its answers is quoted from the recording",
    ),
    _rule(
        r"^(?!(?:who|when|where|why|how|which|did|does|do|is|are|was|were|has|have|what (?!would|could))\b).*"
        r"\b(?:a|an|one|some|good) (?:\w+ )?(?:poem|haiku|limerick|sonnet|essay|blog post|article|tweet|joke|"
        r"song about|"
        r"rap|fairy tale|short story|screenplay|press release|cover letter|slogan|headline|title)\b|"
        r"^(?:a |give .* |suggest .* )?(?:title|headline)\b",
        "write anything new: every sentence of its answers is quoted from the recording",
    ),
    _rule(
        r"^(?:re ?write|re ?phrase|paraphrase|reword|re ?formulate|simplify|shorten|expand|elaborate|polish|proofread|"
        r"correct|"
        r"improve|fix the grammar|formali[sz]e|turn (?:this|it|that) into|edit|change the)\b|"
        r"^convert(?! (?:the |this |my )?(?:speech|audio|recording|voice|it|sound) (?:in)?to (?:\w+ )?(?:text|words|"
        r"writing|transcript))\b|"
        r"\b(?:in the style of|in style of|as if you were|like a pirate|in simple words|in your own words|"
        r"like i am five|"
        r"in formal (?:english|language))\b",
        "rewrite: it quotes what was said, word for word",
    ),
    _rule(
        r"^(?:write|generate|create|implement|give me|show me|debug|fix)\b.*\b(?:code|script|function|program|sql|"
        r"regex|html|"
        r"python|javascript)\b|^(?:code|program|implement)\b",
        "write code",
    ),
    _rule(
        r"^(?:sing|rap|hum|whistle|play|draw|paint|sketch|pretend|act as|act like|role ?play|imagine|imitate|dance|"
        r"speak|read (?:it|"
        r"this|that|the .*) (?:aloud|out)|say (?!what|who|when|if|whether)|narrate|synthesi[sz]e|clone|sing along|"
        r"continue the (?:story|song|melody|"
        r"speech|music)|finish the (?:story|song)|denoise|remove|separate|isolate|enhance|mix|master|trim|cut|crop)\b",
        "make or change sound or pictures; it only listens",
        "a model or program made for that; hark answers questions about audio",
    ),
    _rule(
        r"^(?:send|e ?mail|call|book|order|buy|open|delete|install|search|google|browse|remind|schedule|save|upload|"
        r"download|run|"
        r"execute|post|set (?:a|an|the)|turn (?:on|off)|switch (?:on|off))\b",
        "act on anything; it only answers about the recording",
        "its answer (`--json`) in a program of your own",
    ),
    _rule(
        r"\bhow many (?:different |distinct |unique )*(?:people|persons|speakers|voices|participants|men|women|"
        r"talkers)\b(?:.*\b(?:"
        r"speak|speaking|talk|talking|spoke|here|present|hear|heard|in (?:this|the))\b|$)|"
        r"\b(?:number of|count the) (?:\w+ )?(?:speakers|voices|people)\b|\bwho (?:is|are|was) (?:speaking|talking|"
        r"the speakers?)(?: here| now| in (?:this|the) \w+)?$|"
        r"\bwho said (?:that|this|it|what)\b|\b(?:identify|recogni[sz]e|label|separate|distinguish|diari[sz]e|"
        r"diari[sz]ation)\b.*\b(?:speakers|voices)\b|"
        r"\bdiari[sz](?:e|ation)\b|\bsame (?:speaker|voice|person)\b|\bis (?:it|this|that) the voice of\b|"
        r"\bwhose voice\b",
        "tell voices apart",
        f"a model with speaker diarization, or {_LARGE}",
    ),
    _rule(
        r"\b(?:male or female|man or (?:a )?woman|gender|how old (?:is|does) (?:the |this )?(?:speaker|person|voice|"
        r"caller)|"
        r"age of the speaker|(?:what|which) (?:accent|dialect)|accent (?:is|does)|native speaker|"
        r"where is the speaker from|pronunciation|"
        r"sarcas\w+|ironic|(?:speaker|person|caller|he|she) lying$|speak\w* with an accent)\b",
        "judge a voice (age, sex, accent, pronunciation, irony)",
    ),
    _rule(
        r"\b(?:what|which) languages?\b(?!.*\b(?:program|write|used for|choose|decid))|\blanguage (?:is|of) (?:this|"
        r"the|spoken)\b|\bdetect the language\b",
        "tell languages apart; it understands English only",
        f"{_WHISPER}, which says the language it heard",
    ),
    _rule(
        r"^(?:do you (?:agree|like|think|know|believe)|what do you (?:think|recommend|suggest|advise)|"
        r"what is your (?:opinion|advice|view)|"
        r"should (?:i|we|they)\b|what (?:should|would|could|can) (?:i|we|you) (?:do|say|answer|reply|improve|"
        r"recommend)|how (?:can|could|should|do) "
        r"(?:i|we|one)\b|give (?:me )?(?:your|some|an?) (?:advice|opinion|recommendations?|suggestions?)|suggest|"
        r"recommend|advise|is (?:it|this|that) "
        r"(?:a good|true|correct|right)\b|fact ?check|evaluate|rate|grade|score|review|critici[sz]e|criti(?:que|cs)|"
        r"help me|teach me|are you sure)",
        "give advice or an opinion, or judge what was said",
    ),
    _rule(
        r"^(?:what|how much) is \d+ ?[-+*/x] ?\d+|^(?:calculate|compute|solve)\b|"
        r"\bcapital (?:city )?of [a-z]+$|"
        r"^what (?:time|day) is it|^what is the weather(?: like)?(?: today| now| tomorrow)?$|^who are you|"
        r"^what are you|^who (?:made|created) you|^what (?:can|do) you do$|"
        r"^what model|\bmeaning of life\b|^how are you|^what is your name|^tell me (?:a|something about yourself)|"
        r"^who is the (?:current )?(?:president|"
        r"king|queen|prime minister|chancellor) of",
        "answer from knowledge of the world; it knows only what is said in the recording",
    ),
)
FOREIGN = Refusal("The offline default understands prompts in English only.", f"Ask in English, or use {_LARGE}.")
_FOREIGN_WORDS = frozenset(
    """der das und ist wer wann wie wurde haben sind nicht fasse zusammen worum geht es bitte entschieden wird
    le les des est que qui quoi quand comment pourquoi vous une resume résume résumé dit dans cette traduis
    el los las qué que quién cuándo cómo dónde esta este dice resumen resume por para del una
    che cosa chi quando come perché questo questa riassumi il della dice o que quem quando como onde""".split()
)


def foreign(plain: str) -> bool:
    """Whether a prompt is written in another language than English."""
    letters = [sign for sign in plain if sign.isalpha()]
    if letters and sum(not sign.isascii() for sign in letters) * 3 > len(letters):
        return True
    words = plain.split()
    return len(words) > 1 and 2 * sum(word in _FOREIGN_WORDS for word in words) >= len(words)


def refusal(clause: str) -> Refusal | None:
    """Why a clause of a prompt (plain words) is refused; None where it is not."""
    for rule in (*TRANSLATION, *RULES):
        if rule.pattern.search(clause):
            return rule.refusal
    return None


def language(clause: str) -> Refusal | None:
    """The refusal of a clause that asks for another language, the only one that a named task can meet."""
    return next((rule.refusal for rule in TRANSLATION if rule.pattern.search(clause)), None)

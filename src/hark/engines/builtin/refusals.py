"""What the offline default cannot do, as a table: how people ask for it, why not, and what kind of model can."""

from __future__ import annotations

from dataclasses import dataclass

from hark.engines.builtin.patterns import Phrases
from hark.engines.builtin.words import STOP

_LARGE = (
    "an audio-language model that answers freely, such as Qwen2-Audio, Voxtral, Audio Flamingo 3 or Phi-4-multimodal"
)
_WHISPER = "a Whisper model (faster-whisper:small)"

_LISTS = {
    "LANGUAGE": """
        french|german|spanish|italian|portuguese|dutch|russian|ukrainian|polish|chinese|mandarin|cantonese|japanese
        korean|arabic|hebrew|hindi|urdu|bengali|turkish|swedish|danish|norwegian|finnish|greek|czech|hungarian
        romanian|latin|vietnamese|thai|indonesian|persian|farsi|swahili|tamil|catalan|bulgarian|serbian|croatian
        slovak|another language
    """,
    "ANSWER": """
        answer|reply|respond|write|summari[sz]e|transcribe|give|list|explain|describe|tell|say|put|output|speak|provide
        state|return|what does|what is
    """,
    # What may stand between "write" and a thing that is quoted, and such things.
    "FILLER": """
        me|us|down|out|up|a|an|the|short|brief|full|complete|exact|word for word|list of|meeting|set of|one sentence
    """,
    "QUOTED": """
        summary|transcript|transcription|minutes|notes|list|action|decision|overview|recap|keywords|to ?dos?|bullet
        protocol|words|text|captions|subtitles|what|everything|it down
    """,
    "POEM": """
        poem|haiku|limerick|sonnet|rap|song about|joke|fairy tale|short story|screenplay
        essay|blog post|article|tweet|press release|cover letter|slogan|headline|title
    """,
    "TEXT": "text|words|writing|transcript",
    "ASKS": "who|when|where|why|how|which|did|does|do|is|are|was|were|has|have",
    "VOICES": "people|persons|speakers|voices|participants|men|women|talkers",
}


@dataclass(frozen=True)
class Refusal:
    """Why a prompt is refused, in a sentence, and what can do it instead."""

    reason: str
    instead: str


@dataclass(frozen=True)
class _Rule:
    phrases: Phrases
    refusal: Refusal


def _rule(table: str, what: str, instead: str = _LARGE) -> _Rule:
    return _Rule(Phrases(table, _LISTS), Refusal(f"The offline default cannot {what}.", f"Use {instead}."))


TRANSLATION = (
    _rule(
        r"""
        ^((and|then|also) )*translat\w*
        ^((and|then|also) )*interpret(?= )
        translat(e|ion) (it|this|that|of|into|to)(?! who)
        ^(what is|what does|how do you say|say) .*\b(in|mean in) LANGUAGE$
        """,
        "translate: it quotes what was said, in English",
        f"{_WHISPER} to translate speech into English, or {_LARGE}",
    ),
    _rule(
        r"""
        ^ANSWER\b.*\b(in|into|to) LANGUAGE(?! \w+(ing|ed)\b)
        ^(in|into) LANGUAGE( please)?$
        ^auf \w+$
        """,
        "answer in another language: it quotes what was said, in English",
        f"{_LARGE}, asked in that language",
    ),
)

RULES = (
    _rule(
        r"""
        ^(write|compose|draft|create|generate|make up|invent|produce|prepare|author|pen)(?! (FILLER )*QUOTED)
        # a poem, unless one is asked about
        ^(?!(ASKS|what (?!would|could))\b).*\b(a|an|one|some|good) (\w+ )?POEM
        ^(a |give .* |suggest .* )?(title|headline)
        """,
        "write anything new: every sentence of its answers is quoted from the recording",
    ),
    _rule(
        r"""
        ^re ?write|re ?phrase|reword|re ?formulate|paraphrase|simplify|shorten|expand|elaborate
        ^polish|proofread|correct|improve|fix the grammar|formali[sz]e|edit|change the|turn (this|it|that) into
        # to convert speech to text is to transcribe it
        ^convert(?! (the |this |my )?(speech|audio|recording|voice|it|sound) (in)?to (\w+ )?TEXT)
        in the style of|in style of|as if you were|like a pirate
        in simple words|in your own words|like i am five|in formal (english|language)
        """,
        "rewrite: it quotes what was said, word for word",
    ),
    _rule(
        r"""
        ^(write|generate|create|implement|give me|show me|debug|fix)\b.*\b(code|script|function|program)
        ^(write|generate|create|implement|give me|show me|debug|fix)\b.*\b(sql|regex|html|python|javascript)
        ^code|program|implement
        """,
        "write code",
    ),
    _rule(
        r"""
        ^sing|sing along|rap|hum|whistle|play|dance|draw|paint|sketch
        ^pretend|act as|act like|role ?play|imagine|imitate
        ^speak|narrate|synthesi[sz]e|clone|read (it|this|that|the .*) (aloud|out)|say (?!what|who|when|if|whether)\w+
        ^continue the (story|song|melody|speech|music)|finish the (story|song)
        ^denoise|remove|separate|isolate|enhance|mix|master|trim|cut|crop
        """,
        "make or change sound or pictures; it only listens",
        "a model or program made for that; hark answers questions about audio",
    ),
    _rule(
        r"""
        ^send|e ?mail|call|post|book|order|buy|remind|schedule
        ^open|delete|install|search|google|browse|save|upload|download|run|execute
        ^set (a|an|the)|turn (on|off)|switch (on|off)
        """,
        "act on anything; it only answers about the recording",
        "its answer (`--json`) in a program of your own",
    ),
    _rule(
        r"""
        how many ((different|distinct|unique) )*VOICES$
        how many ((different|distinct|unique) )*VOICES\b.*\b(speak|speaking|talk|talking|spoke|here|present|hear|heard)
        how many ((different|distinct|unique) )*VOICES\b.*\bin (this|the)
        (number of|count the) (\w+ )?(speakers|voices|people)
        who (is|are|was) (speaking|talking|the speakers?)( here| now| in (this|the) \w+)?$
        who said (that|this|it|what)
        (identify|recogni[sz]e|label|separate|distinguish)\b.*\b(speakers|voices)
        diari[sz]e|diari[sz]ation|same (speaker|voice|person)|whose voice|is (it|this|that) the voice of
        """,
        "tell voices apart",
        f"a model with speaker diarization, or {_LARGE}",
    ),
    _rule(
        r"""
        male or female|man or (a )?woman|gender|age of the speaker
        how old (is|does) (the |this )?(speaker|person|voice|caller)
        (what|which) (accent|dialect)|accent (is|does)|speak\w* with an accent
        native speaker|where is the speaker from|pronunciation
        sarcas\w+|ironic
        (speaker|person|caller|he|she) lying$
        emotions? (do|does) (the|his|her|their) voices? (show|express|have)
        how does the (speaker|person|voice|caller) sound$
        ^describe the (prosody|intonation)\b
        """,
        "judge a voice (feeling, age, sex, accent, pronunciation, prosody, irony)",
    ),
    _rule(
        r"""
        (what|which) languages?(?!.*\b(program|write|used for|choose|decid))
        language (is|of) (this|the|spoken)
        detect the language
        """,
        "tell languages apart; it understands English only",
        f"{_WHISPER}, which says the language it heard",
    ),
    _rule(
        r"""
        ^do you (agree|like|think|know|believe)|are you sure
        ^what do you (think|recommend|suggest|advise)|what is your (opinion|advice|view)
        ^should (i|we|they)|how (can|could|should|do) (i|we|one)
        ^what (should|would|could|can) (i|we|you) (do|say|answer|reply|improve|recommend)
        ^give (me )?(your|some|an?) (advice|opinions?|recommendations?|suggestions?)
        ^is (it|this|that) (a good|true|correct|right)
        ^(suggest|recommend|advise|evaluate|rate|grade|score|review|critici[sz]e|critique|critics|fact ?check)\w*
        ^help me|teach me
        """,
        "give advice or an opinion, or judge what was said",
    ),
    _rule(
        r"""
        ^(what|how much) is \d+ ?[-+*/x] ?\d+
        ^calculate|compute|solve
        capital (city )?of [a-z]+$
        meaning of life
        ^what (time|day) is it
        ^what is the weather( like)?( today| now| tomorrow)?$
        ^who is the (current )?(president|king|queen|prime minister|chancellor) of
        # about hark itself
        ^who are you|what are your?|how are you|what is your name|what models?|who (made|created) you
        ^what (can|do) you do$
        """,
        "answer from knowledge of the world; it knows only what is said in the recording",
    ),
)
FOREIGN = Refusal("The offline default understands prompts in English only.", f"Ask in English, or use {_LARGE}.")
_FOREIGN_WORDS = frozenset(
    """der das und ist wer wann wie wurde haben sind nicht fasse zusammen worum geht es bitte entschieden wird
    le les des est que qui quoi quand comment pourquoi vous une resume résume résumé dit dans cette traduis
    el los las qué que quién cuándo cómo dónde esta este dice resumen resume por para del una
    che cosa chi quando come perché questo questa riassumi il della dice o que quem quando como onde
    die den dem ein eine einen im ins zum zur auf mit von wo warum welche welcher sie ich mir uns kannst gibt
    sagt sagen sprecher la du au aux quel quelle quels quelles sur avec pourquoi où qu'est-ce sont il elle nous
    moi cual cuál cuáles con sobre son las los dónde quien il lo gli dei della sono chi""".split()
)
# With these an order begins in another language.
_FOREIGN_VERBS = frozenset(
    """übersetze übersetz übersetzen zusammenfassung zusammenfassen fasse transkribiere transkribieren schreibe nenne
    erkläre résume résumer traduis traduire traduisez transcris transcrire résumez traduce traducir resumir
    transcribir riassumi traduci trascrivi resuma traduza traduzir transcreva""".split()
)
_BOTH = frozenset("a an i in am as me so was do he on no hat des once son".split())  # words of several languages
# Any of these makes a prompt with a foreign name or title in it an English one.
_ENGLISH = (STOP - _FOREIGN_WORDS - _BOTH) | frozenset(
    """describe explain summarize summarise list give find identify transcribe name show compare highlight extract
    tasks task keywords speaker meeting recording said main key points list please""".split()
)


def foreign(plain: str) -> bool:
    """Whether a prompt is written in another language than English."""
    letters = [sign for sign in plain if sign.isalpha()]
    if letters and sum(not sign.isascii() for sign in letters) * 3 > len(letters):
        return True
    words = plain.split()
    known = sum(word in _FOREIGN_WORDS for word in words)
    if (words and words[0] in _FOREIGN_VERBS) or (len(words) > 1 and 2 * known >= len(words)):
        return True
    others = known or any(not word.isascii() for word in words)
    return len(words) > 1 and bool(others) and not any(word in _ENGLISH for word in words)


def refusal(clause: str) -> Refusal | None:
    """Why a clause of a prompt (plain words) is refused; None where it is not."""
    for rule in (*TRANSLATION, *RULES):
        if rule.phrases.search(clause):
            return rule.refusal
    return None


def language(clause: str) -> Refusal | None:
    """The refusal of a clause that asks for another language, the only one that a named task can meet."""
    return next((rule.refusal for rule in TRANSLATION if rule.phrases.search(clause)), None)

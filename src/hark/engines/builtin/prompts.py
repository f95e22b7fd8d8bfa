"""How people ask for things, as tables of phrases: jobs, follow-ups, politeness, limits."""

from __future__ import annotations

from typing import Literal, get_args

from hark.engines.builtin.patterns import Phrases

Job = Literal[
    "transcribe", "question", "summary", "decisions", "actions", "intent", "sentiment", "uncertainty", "music", "sound",
    "keywords", "compare", "duration",
]  # fmt: skip
Follow = Literal["", "next", "more", "kind", "courtesy"]
JOBS: tuple[Job, ...] = get_args(Job)

_LISTS = {
    "THE": "the|this|that|these|those",
    "BE": "is|are|was|were",
    "DO": "do|does|did",
    "SPEAKER": """
        (THE )?(person|people|speakers?|man|woman|guy|lady|voices?|caller|customer|user|child|boy|girl|narrator|host)
        (THE )?(he|she|they|someone|somebody|anyone|everyone|everybody)
        (THE )?(audio|recording|clip|file|sound|message|it|this|that)
    """,
    "THING": r"""
        (THE )?(\w+ )?(audio|recording|clip|file|sound|meeting|conversation|talk|call|podcast|track|it|this|that)s?
    """,
    "MADE": "song|music|piece|track|tune|melody|recording|audio|clip|sketch|sample|beat|loop",
    "MINUTES": r"""
        meeting (minutes|notes)
        (^|\bthe )minutes(?! of audio)
        ^(the )?notes
    """,
    "FEELING": """
        happy|glad|pleased|satisfied|excited|calm|friendly|polite
        unhappy|sad|upset|angry|annoyed|frustrated|disappointed|dissatisfied
        nervous|worried|afraid|stressed|bored|tired|rude
    """,
    "SAY": "say|saying|said|talking|speaking|telling",
    "OUTRIGHT": "exactly|here|to (me|us|you)",
    "DECIDED": "decided?|agreed?|resolved?",
    "RING": r"""
        (ring|rung|rang|beep|knock|clap|click|bark|buzz|chime|tick|honk|bang|strike|snap|whistle|meow|chirp|tap|hit)\w*
        struck|tolls?
    """,
    "HEARD": "speech|music|noise|silence|talking",
    "CLIPS": "recordings?|clips?|files?|audios?|sounds?|songs?|speakers?",
    "COMMAND": "command|order|request",
    "IDENTIFY": "what|which|identify|name|describe|classify|explain|recogni[sz]e",
}

_ASKED: dict[Job, str] = {
    "transcribe": r"""
        transcri(be|bing|pt|pts|ption|ptions)
        verbatim|word for word|dictate|dictation|speech to text|captions?|subtitles?|lyrics
        what (BE|DO|has|have|can) SPEAKER( in THING)?( be)?( trying to)? SAY( (in|on|at|during) THING| OUTRIGHT)*$
        what BE (being )?(said|spoken)( (in|on|at|here|during)\b.*)?$
        what are the (\w+ )?words
        (all|the) (spoken )?words (spoken|said)
        what (do|can|did) you hear
        repeat (what|everything)
        # write it down
        write (down )?(out )?(what|everything|every word|the words|it down)(?! (action|decision|key|main))
        write (out )?down$
        write (this|that|it|them|the speech|the words) down
        type (out|up)
        (recogni[sz]e|convert) (the |this )?speech
        ^(the |full |complete )*text( please)?$
    """,
    "summary": r"""
        summar(y|ies|i[sz]e|i[sz]ing|i[sz]ation)
        sum (it |this |that )?up
        tl ?;?dr|gist|in a nutshell|recap|overview|outline|highlights?|takeaways?|bullet points?
        (main|key|important|central|major) (points?|ideas?|messages?|information|facts|things|arguments?|insights?)
        # notes of a meeting
        minutes(?! (of audio|long))
        meeting notes
        ^notes
        (take|make|write|give) (me )?(\w+ )?notes
        # what it is about
        what BE THING (all )?about$
        what (BE|DO) SPEAKER (talk|talking|talked|speaking|discuss|discussing)( about)?$
        what BE (being )?(discussed|talked about)( (in|at|here|during)\b.*)?$
        what happen(s|ed) (in|at|during|on) THING$
        what is the (content|message|story|conclusion)s?( of THING)?$
        describe (the |this |that )?(\w+ )?(audio|recording|clip|file|conversation|meeting|content|speech|call)
        ^explain (the |this )?(audio|recording|clip)
    """,
    "decisions": r"""
        decisions?(?! (about|on|regarding|for|concerning)\b)
        what (was|were|has been|is|did|have|had) (SPEAKER |we )?(been )?DECIDED( (on|upon|in|at|during)( THING)?)?$
        MINUTES
    """,
    "actions": r"""
        action (items?|points?|list)
        actions|tasks?|to ?dos?|next steps?|follow ups?
        assign(ed|ments?|ees?)
        owners|deadlines|responsibilities|responsible for what
        who (does|will|should|must|has to|needs to|is (supposed|going) to)( do)? what
        what (has|needs|have|is|remains) to be done$
        what (do|must|should) (we|they) (need |have )?do( next| now)?$
        MINUTES
    """,
    "intent": r"""
        intents?|intentions?|speech acts?|slots?
        purpose of (the|this) (call|command|message|recording|caller|speaker|audio|clip|utterance)
        what DO SPEAKER want( (to do|me to do|us to do|from (me|us|you)))?$
        what (is|are) SPEAKER (asking|ordering|requesting)( for)?$
        what is the (spoken )?COMMAND$
        what does (this|the) COMMAND
        (what|which|parse the|extract the|understand the|spoken|voice) COMMAND
        is (this|that|it) (a|an) (question|COMMAND|statement|promise|complaint)
        what should the (assistant|device|robot|machine|computer) do
        why (is|are) (the )?(customer|caller|he|she|they|person) calling
    """,
    "sentiment": r"""
        sentiments?|emotions?|emotional|felt|feels?|feelings?
        (mood|attitude)(?!.*\b(song|music|track|piece|melody))
        tone(?! (frequency|generator|hz|signal|played|sounds?))
        positive or negative|negative or positive
        (BE|do|does|how) (SPEAKER|the \w+) (\w+ )?(sound |seem |feel )?FEELING
    """,
    "uncertainty": r"""
        how (sure|certain|confident)
        not sure|unsure|insecure|confidence|certain|certainty|uncertain|uncertainty
        hesita\w+|hedg\w+|doubt(s|ful|ing)?
        (BE|DO) (SPEAKER|the \w+) (\w+ )?(sound |seem |feel )?(really |very |quite )?(sure|certain|confident)
    """,
    "music": r"""
        tempo|bpm|beats per minute|rhythm|melody|chords?|genre|instruments?|singer
        musical key|key signature|time signature|major or minor|minor or major
        (what|which) key(?! (points?|decisions?|person|people|ideas?|messages?|topics?|facts?))
        key (and|of|is) (the )?(tempo|bpm|MADE|this|that|it)
        how fast is (it|this|that|(the |this )?(song|music|beat|track|piece|recording|audio|clip|rhythm))$
        how fast is (the |this )?(song|music|beat|track|piece)
        (a|the|what) (major|minor) (key|scale|chord)|in (\w+ )?(major|minor)$
        (what|which|about this|kind of|type of) (song|music|tune)
        (name|identify|describe) (the|this) (song|music|tune)
        who (sings|plays|composed)
        mood\b.*\b(song|music|track|piece)
        scale\b.*\b(song|music|piece)
    """,
    "sound": r"""
        IDENTIFY( is| are| was| makes| (kind|type|sort) of)?( THE)?( \w+)? (sounds?|noises?)(?! like\b)
        describe (the |this |that |what )?(\w+ )?(audio|recording|clip|file|sound|you hear)
        what (do|can|could|did|does) (you|i|we|one) hear
        what kind of (audio|recording)
        what (is|was) (this|that|it)$
        what (is|was) (happening|going on)( (in|here)\b.*)?$
        ^caption
        # speech, music or silence
        (voice|sounds?|HEARD) or (a voice|HEARD)
        (is|are) (there|this|that|it) (any |just |only |mostly |really )?(sound|silent|HEARD)
        (is|are) (there|this|that|it) (any |just |only |mostly |really )?someone (speaking|talking)
        is (anyone|anybody|someone|somebody) (speaking|talking)
        silent|silence|background (noise|sounds?|music)
        # what can be measured
        how loud|loudness|volume|pitch|frequency|hertz|hz|instruments?
        audio (quality|events?)
        sound (events?|effects?|quality)
        tone (frequency|generator|hz|signal|played|sounds?)
        how many times (do|does|did|is|was|can|are) .*\bRING
        how many (claps?|rings?|beeps?|knocks?|clicks?|beats|onsets?)
    """,
    "keywords": """
        key ?words?|key ?phrases|key terms|tags?
        topics|themes|subjects
        what (is the )?topic
    """,
    "compare": r"""
        ^compare|comparison
        compar(e|ing) (these|those|them|the|both|all)
        differen(ce|ces|t)\b.*\b(these|those|them|both|(two|three|the|all) CLIPS)
        how (do|are) (these|they|those|the (two|recordings|clips|files)).*\b(differ|different|similar|alike)
        what is (the )?different$
        what is the difference$
        in common|similarity|similarities
    """,
    "duration": """
        how long (is|does|are|was) THING( last| run| take)?$
        (duration|length|running time) of THING
        ^(the )?(duration|length)$
        what is the (duration|length)$
    """,
}
PATTERNS = {job: Phrases(table, _LISTS) for job, table in _ASKED.items()}

_NOT_ALL = {
    "instruments?": "Instruments cannot be named by signal analysis; what can be measured is given.",
    "genre": "The genre cannot be told by signal analysis; what can be measured is given.",
    "chords?|melody|time signature": "Chords, melody and time signature are not worked out; key and tempo are.",
    """
        (what|which|(name|identify) (the|this)) (song|tune)
        singer|name of (the|this) song
        who (sings|plays|composed)
    """: "Songs and their makers cannot be named offline; what can be measured is given.",
    "lyrics": "Sung words are seldom recognised; what was recognised is given.",
    r"mood\b.*\b(song|music|track|piece)": "The mood of music is not judged; key and tempo are given.",
    "(as|in|into) (a )?(json|xml|yaml|csv|html|table|markdown table)": (
        "Answers are plain lines; `--json` gives the same as data."
    ),
    "captions?|subtitles?|srt|vtt": "Subtitle files are written by `hark transcribe --format srt`.",
    "voice|prosody|sounds? (happy|angry|sad)": "The words are judged, not the voice.",
}
LIMITS = tuple((Phrases(table), text) for table, text in _NOT_ALL.items())

POLITE = Phrases(
    "^OPENING( OPENING)*(?= )",
    {
        "OPENING": r"""
        please|pls|kindly|hey|hi|hello|ok|okay|so|now|well|and|then|also|just|hark|thanks|thank you
        next|first|finally
        can you(?= \w)|could you|would you|will you
        i would like you to|i would like to know|i want you to|i want to know|i need you to|i need to know
        i need|i want|i would like|i would love|do you know
        can you tell me|could you tell me|tell me|let me know
        listen to (this|the) (\w+ )?(and|then)?
        (using|given|based on) (this|the) (audio|recording|clip)
        (from|for) (this|the) (audio|recording|clip|meeting)
        in (this|the) (audio|recording|clip|file|meeting)
        you are \w+ \w+ assistant
        question|prompt|instruction|user
        """
    },
)

_VERBS = "|".join(
    """translate summari[sz]e transcribe list give tell describe extract find identify write compose sing answer explain
    compare rewrite rephrase paraphrase draft name show detect classify convert make create generate send say put
    highlight what who when where how why is are was does did""".split()
)
# Where a prompt is cut into clauses: after a sentence, and before a verb that asks for something of its own.
SPLIT = "|".join(
    (
        r"(?<=[.!?;\n])\s+",
        r"\s*[;\n]+\s*",
        rf",?\s+(?:and|then|and then|but|also|plus|&)\s+(?:(?:also|then|please)\s+)*(?=(?:{_VERBS})\b)",
        rf",\s+(?=(?:then\s+)?(?:{_VERBS})\b)",
    )
)

# Said of all recordings of a conversation, not of those given last.
EVERY = Phrases(
    """
    (all|both|these|those|each|every|any|which|either)( of)?( (the|these|those|my|two|three|four))* CLIPS
    (the )?(two|three|four|other|first|second|third|earlier|previous) CLIPS
    (all|both|each|either|any) of (them|these|those)
    both
    """,
    {"CLIPS": "recordings?|clips?|files?|audios?|meetings?|calls?|messages?|songs?|tracks?"},
)

# A whole prompt that leans on the answer before.
FOLLOWS: dict[Follow, Phrases] = {
    "next": Phrases(
        """
        (and |so )?then( what)?
        (and |so )?what (then|next)
        (and |so )?what (happens|happened|came|comes|did (they|he|she) say|was said|is) (next|then|LATER)
        (and |so )?(next|go on|continue|keep going|LATER)
        """,
        {"LATER": "after that|after this|afterwards"},
    ),
    "more": Phrases(
        """
        (and )?(what|who|anything|anybody|anyone|something) else( (did|do|was|is|happened).*)?$
        (and )?(tell me )?(some )?more( (details|about (that|it|this)))?
        (is there )?(any )?more
        and|details|any others?|what about the rest
        """
    ),
    "courtesy": Phrases(
        "((so|well|very|and) )*WORD( (WORD|THEN))*",
        {
            "WORD": """
            thanks|thank you|thx|ok|okay|great|perfect|nice|good|cool|fine|understood|got it|that is all
            hello|hi|bye|goodbye
            """,
            "THEN": "and|very|much|so|a lot|for (that|this|it|your help)|then|hark",
        },
    ),
    "kind": Phrases(
        """
        (and |but |so )?((by|until|since|at|to|for|with) )?WH( (exactly|that|(is|was) (that|it)|will that be))?
        """,
        {"WH": "who|whom|when|where|why|how|how (many|much|long|often)|what time|what day"},
    ),
}

# Asked for with a summary's words, but only these.
ONLY_THOSE = Phrases(
    r"""
    SUMMARY( of)?( (MAIN|the|all|any|made|team|their|our|s|meeting))* (decisions?|actions?|tasks?|to ?dos?|next steps?)
    """,
    {"SUMMARY": r"summar\w+|outline|overview|recap|highlights?", "MAIN": "key|main|most|important|final"},
)
# What somebody in particular is to do.
DUTY_OF = Phrases(
    r"""
    ^what HELPER (?!ALL\b)(?P<who>\w+( (?!OTHER\b)\w+){0,2}?) (TO )?do( (and )?(by )?(when|until when))?$
    """,
    {
        "HELPER": "does|do|did|will|should|must|shall|is|are|has|have",
        "ALL": r"""
        i|we|you|he|she|it|they|everyone|everybody|someone|somebody|anyone|anybody|people|all|to|been|being
        (the |this |that )?(group|speakers?|person|people|participants|members|others|caller|customer|user)
        (the |this |that )?(assistant|device|robot|machine|computer)
        """,
        "OTHER": "wants?|asks?|asked|wanted|told|me|us|i|we|you|he|she|they|not",
        "TO": "(have|need|needs|supposed|going|got|promised?|agreed?|want) to|to",
    },
)
# A question on something in particular, although it holds a word that names a job.
SPECIFIC = Phrases(
    r"""
    ^(what|who|when|where|why|how|which)\b.*\bREPORT ABOUT (?!(the |this |that )?WHOLE\b)\w+
    ^(who|when|where|why|how many|how much) (?!DOES( to)?( do)? what\b).*\bMADE
    ^(what|who|whom)\b.*\bFEELING (about|of|with|at|by|for|that)
    ^(who|when|where|why) ACTS\b.*\b(transcribes?|summari[sz]es?|transcript|feedback)
    """,
    {
        "FEELING": _LISTS["FEELING"],
        "REPORT": "decisions?|tasks?|summary|minutes|transcripts?|instruments?|volume|tone",
        "ABOUT": "about|on|regarding|concerning|for",
        "WHOLE": "meeting|recording|audio|call|clip|song|music|track",
        "DOES": "does|has|must|needs|will|should|is (supposed|going)",
        "MADE": "summary|minutes|notes|transcripts?|overview|outline|tasks?|decisions?|highlights?|actions|recap|tags?",
        "ACTS": "will|has|must|should|is|was|did|does|needs|can|wrote|made",
    },
)

VOCABULARY = """transcribe transcript transcription summarize summarise summary decisions decision decided
    translate translation sentiment intention emotion emotions describe uncertain instrument
    instruments keywords topics assignees deadlines compare recording meeting question uncertainty
    hesitant speaker""".split()
NUMBERS = {
    word: n for n, word in enumerate("zero one two three four five six seven eight nine ten eleven twelve".split())
}
SHORTHAND = {
    "whats": "what's",
    "wat": "what",
    "wats": "what's",
    "whos": "who's",
    "dont": "don't",
    "didnt": "didn't",
    "im": "i'm",
    "u": "you",
    "pls": "please",
    "plz": "please",
}

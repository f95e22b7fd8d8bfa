"""How people ask for things, as tables: a pattern for each job, follow-ups, politeness, lengths, limits."""

from __future__ import annotations

import re
from typing import Literal, get_args

Job = Literal[
    "transcribe", "question", "summary", "decisions", "actions", "intent", "sentiment", "uncertainty", "music", "sound",
    "keywords", "compare", "duration",
]  # fmt: skip
Follow = Literal["", "next", "more", "kind"]
JOBS: tuple[Job, ...] = get_args(Job)
_SPEAKER = (
    r"(?:(?:the |this |that |these |those )?(?:person|people|speakers?|man|woman|guy|lady|voices?|caller|customer|user|"
    r"audio|recording|clip|"
    r"file|sound|child|boy|girl|narrator|host|he|she|they|it|this|that|someone|somebody|anyone|message|everyone|"
    r"everybody))"
)
_MADE = r"(?:song|music|piece|track|tune|melody|recording|audio|clip|sketch|sample|beat|loop)"
_THING = (
    r"(?:the |this |that |these |those )?(?:\w+ )?(?:audio|recording|clip|file|sound|meeting|conversation|talk|"
    r"call|podcast|track|it|this|that)s?"
)

_ASKED: tuple[tuple[Job, str], ...] = (
    (
        "transcribe",
        (
            r"\btranscri(?:be|bing|pt|pts|ption|ptions)\b|"
            rf"\bwhat (?:does|do|did|is|are|was|were|has|have|"
            rf"can) {_SPEAKER}(?: in {_THING})?(?: be)?(?: trying to)? (?:say|saying|"
            rf"said|talking|speaking|telling)"
            rf"(?: (?:in|on|at|during) {_THING}| exactly| here| to (?:me|us|you))*$|"
            r"\bwhat (?:is|was|are|were) (?:being )?(?:said|spoken)(?: (?:in|on|at|here|during)\b.*)?$|"
            r"\bwrite (?:down )?(?:out )?(?:what|everything|every word|the words|it down|down$)(?! (?:action|decision|"
            r"key|main))\b|\bwrite (?:this|that|it|them|the speech|the words) down\b|\bword for word\b|\bverbatim\b|"
            r"\bdictat(?:e|ion)\b|\btype (?:out|up)\b|\bspeech to text\b|\b(?:captions?|subtitles?|lyrics)\b|"
            r"\bwhat are the (?:\w+ )?words\b|"
            r"\b(?:all|the) (?:spoken )?words (?:spoken|said)\b|\bwhat (?:do|can|did) you hear\b|^(?:the |full |"
            r"complete )*text(?: please)?$|"
            rf"\brepeat (?:what|everything)\b|\bwhat did {_SPEAKER} say$|\b(?:recogni[sz]e|convert) (?:the |"
            rf"this )?speech\b"
        ),
    ),
    (
        "summary",
        (
            r"\bsummar(?:y|ies|i[sz]e|i[sz]ing|i[sz]ation)\b|\bsum (?:it |this |that )?up\b|\btl ?;?dr\b|\bgist\b|"
            r"\bin a nutshell\b|\brecap\b|\boverview\b|"
            r"\b(?:main|key|most important|important|central|major) (?:points?|ideas?|messages?|takeaways?|information|"
            r"facts|things|arguments?|insights?)\b|"
            r"\bhighlights?\b|\btakeaways?\b|\b(?:meeting )?minutes\b(?! (?:of audio|long))|\bmeeting notes\b|^notes\b|"
            r"\b(?:take|make|write|give) (?:me )?(?:\w+ )?notes\b|"
            rf"\bwhat (?:is|was|are|were) {_THING} (?:all )?about$|\bwhat (?:is|are|do|does|did|was|"
            rf"were) {_SPEAKER} (?:talk|talking|talked|speaking|discuss|discussing)(?: about)?$|"
            rf"\bwhat happen(?:s|ed) (?:in|at|during|on) {_THING}$|\bwhat (?:is|was) (?:being )?(?:discussed|"
            rf"talked about)(?: (?:in|at|here|during)\b.*)?$|"
            rf"\bwhat is the (?:content|message|story|conclusion)s?\b(?: of {_THING})?$|\boutline\b|\bbullet points?\b|"
            rf"\bdescribe (?:the |this |that )?(?:\w+ )?(?:audio|recording|clip|"
            r"file|conversation|meeting|content|speech|call)\b|^explain (?:the |this )?(?:audio|recording|clip)\b"
        ),
    ),
    (
        "decisions",
        (
            r"\b(?:key |main |important |final |all |the |any |made |list )*decisions?\b(?! (?:about|on|regarding|for|"
            r"concerning))|"
            rf"\bwhat (?:was|were|has been|is|did|have|had) (?:{_SPEAKER} |we )?(?:been )?(?:decided?|agreed?|"
            rf"resolved?)(?: (?:on|upon|in|at|during)(?: {_THING})?)?$|"
            r"\bmeeting (?:minutes|notes)\b|(?:^|\bthe )minutes\b(?! of audio)|^(?:the )?notes\b|"
            r"\bwhat did they (?:decide|agree)(?: on)?$"
        ),
    ),
    (
        "actions",
        (
            r"\baction (?:items?|points?|list)\b|\bactions\b|\bto ?dos?\b|\bto do(?: list)?s?$|\btasks?\b|"
            r"\bnext steps?\b|"
            r"\bfollow ups?\b|\bwho (?:has to|must|needs to|will|does|is "
            r"(?:supposed|going) to|should)(?: do)? what\b|\bassign(?:ed|ments?|ees?)\b|\bdeadlines\b|\bresponsib(?:le|"
            r"ilities) for what\b|"
            r"\bresponsibilities\b|\bwho does what\b|\bwhat (?:has|needs|have|is|remains) to be done$|"
            r"\bmeeting (?:minutes|"
            r"notes)\b|\bowners\b|"
            r"(?:^|\bthe )minutes\b(?! of audio)|^(?:the )?notes\b|\bwhat (?:do|must|should) (?:we|they) (?:need|"
            r"have)? ?(?:to )?do(?: next|"
            r" now)?$"
        ),
    ),
    (
        "intent",
        (
            r"\bintent(?:ion|ions|s)?\b|\bspeech acts?\b|\bpurpose of (?:the|this) (?:call|command|message|recording|"
            r"caller|speaker|audio|clip|utterance)\b|"
            rf"\bwhat (?:does|do|did) {_SPEAKER} want(?: (?:to do|me to do|us to do|from (?:me|us|you)))?$|"
            rf"\bwhat (?:is|"
            rf"are) {_SPEAKER} (?:asking|ordering|requesting)(?: for)?$|"
            r"\bwhat is the (?:spoken )?(?:command|order|request)$|\b(?:what|which|parse the|extract the|"
            r"understand the|spoken|voice) (?:command|order|request)\b|"
            r"\b(?:is (?:this|that|it) (?:a|an) "
            r"(?:question|order|command|request|statement|promise|complaint))\b|\bslots?\b|"
            r"\bwhat should the (?:assistant|"
            r"device|robot|machine|computer) do\b|"
            r"\bwhy (?:is|are) (?:the )?(?:customer|caller|he|she|they|person) calling\b|\bwhat does (?:this|"
            r"the) (?:command|order|request)\b"
        ),
    ),
    (
        "sentiment",
        (
            r"\bsentiments?\b|\bemotions?\b|\bemotional\b|\b(?:mood|attitude)\b(?!.*\b(?:song|music|track|piece|"
            r"melody))|"
            r"\bfeel(?:s|ing|ings)?\b|\bfelt\b|"
            r"\btone\b(?! (?:frequency|generator|hz|signal|played|sounds?))|\bpositive or negative\b|"
            r"\bnegative or positive\b|"
            rf"\b(?:is|are|was|were|does|do|how) (?:{_SPEAKER}|the \w+) (?:\w+ )?(?:sound |seem |feel )?(?:happy|angry|"
            rf"sad|"
            rf"upset|satisfied|frustrated|annoyed|pleased|excited|nervous|"
            r"worried|disappointed|polite|rude|friendly|calm|bored|afraid|stressed|unhappy|dissatisfied|glad|tired)\b"
        ),
    ),
    (
        "uncertainty",
        (
            r"\bhow (?:sure|certain|confident)\b|\b(?:un)?certain(?:ty)?\b|\bhesita\w+\b|\bdoubt(?:s|ful|ing)?\b|"
            r"\bhedg\w+\b|\bunsure\b|\binsecure\b|"
            rf"\b(?:is|are|was|were|does|do|did) (?:{_SPEAKER}|the \w+) (?:\w+ )?(?:sound |seem |feel )?(?:really |"
            rf"very |"
            rf"quite )?(?:sure|certain|confident)\b|\bconfidence\b|\bnot sure\b"
        ),
    ),
    (
        "music",
        (
            r"\btempo\b|\bbpm\b|\bbeats per minute\b|\bmusical key\b|\b(?:what|which) key\b(?! (?:points?|decisions?|"
            r"person|people|ideas?|messages?|topics?|facts?))|"
            rf"\bkey (?:and|of|is) (?:the )?(?:tempo|bpm|{_MADE}|this|that|it)\b|\bkey signature\b|\bmajor or minor\b|"
            rf"\bminor or major\b|\bchords?\b|\bgenre\b|\btime signature\b|"
            r"\bhow fast is (?:the |this )?(?:song|music|beat|track|piece)\b|\brhythm\b|\bmelody\b|\b(?:what|which|"
            r"name (?:the|this)|identify (?:the|this)|describe (?:the|this)|about this|kind of|type of) (?:song|music|"
            r"tune|"
            r"instruments?)\b|"
            r"\binstruments?\b|\bsinger\b|\bwho (?:sings|plays|composed)\b|\bmood\b.*\b(?:song|music|track|piece)\b|"
            r"\bscale\b.*\b(?:song|music|piece)\b"
        ),
    ),
    (
        "sound",
        (
            r"\b(?:what|which|identify|name|describe|classify|explain|recogni[sz]e)(?: is| are| was| makes| kind of|"
            r" type of| sort of)?(?: the| that| this| these| those)?(?: \w+)? (?:sounds?|noises?)\b(?! like\b)|"
            r"\bdescribe (?:the |this |that |what )?(?:\w+ )?(?:audio|recording|clip|file|sound|you hear)\b|"
            r"\bwhat (?:do|"
            r"can|could|did|does) (?:you|i|we|one) hear\b|"
            r"\b(?:speech|music|noise|silence|voice|talking|sounds?) or (?:speech|music|noise|silence|a voice|"
            r"talking)\b|"
            r"\b(?:is|are) (?:there|this|that|it) (?:any |just |only |mostly |really )?"
            r"(?:speech|music|noise|silence|silent|someone (?:speaking|talking)|background (?:noise|music)|talking|"
            r"sound)\b|\bis (?:anyone|anybody|someone|somebody) (?:speaking|talking)\b|"
            r"\bhow loud\b|\bloudness\b|\bvolume\b|\bpitch\b|\bfrequency\b|\bhertz\b|\bhz\b|\bbackground (?:noise|"
            r"sounds?|"
            r"music)\b|\baudio (?:quality|events?)\b|"
            r"\bwhat (?:is|was) (?:this|that|it)$|\bwhat kind of (?:audio|recording)\b|\bsound (?:events?|effects?|"
            r"quality)\b|\bsilen(?:t|ce)\b.*\?*$|\bhow many (?:claps?|beeps?|knocks?|clicks?|beats|onsets?)\b|"
            r"\bwhat (?:is|was) (?:happening|going on)(?: (?:in|here)\b.*)?$|\binstruments?\b|\btone (?:frequency|"
            r"generator|hz|signal|played|sounds?)\b|^caption\b"
        ),
    ),
    (
        "keywords",
        (
            r"\bkey ?words?\b|\btags?\b|\b(?:topics|themes|subjects)\b|\bwhat (?:is the )?topic\b|\bkey ?phrases\b|"
            r"\bkey terms\b"
        ),
    ),
    (
        "compare",
        (
            r"^compar(?:e|ison)\b|\bcompar(?:e|ing) (?:these|those|them|the|both|all)\b|\bdifferen(?:ce|ces|"
            r"t)\b.*\b(?:these|those|them|both|(?:two|three|the|all) "
            r"(?:recordings?|clips?|files?|audios?|sounds?|songs?|speakers?))\b|\bhow (?:do|are) (?:these|they|those|"
            r"the (?:two|recordings|clips|files)).*\b(?:differ|different|similar|alike)\b|"
            r"\bin common\b|\bsimilarit(?:y|ies)\b|\bwhat is (?:the )?different$|\bwhat is the difference$"
        ),
    ),
    (
        "duration",
        (
            rf"\bhow long (?:is|does|are|was) {_THING}(?: last| run| take)?$|\b(?:duration|length|"
            rf"running time) of {_THING}\b|^(?:the )?(?:duration|length)$|\bwhat is the (?:duration|length)$"
        ),
    ),
)
PATTERNS = tuple((job, re.compile(pattern)) for job, pattern in _ASKED)

LIMITS: tuple[tuple[str, str], ...] = (
    (r"\binstruments?\b", "Instruments cannot be named by signal analysis; what can be measured is given."),
    (r"\bgenre\b", "The genre cannot be told by signal analysis; what can be measured is given."),
    (
        r"\bchords?\b|\bmelody\b|\btime signature\b",
        "Chords, melody and time signature are not worked out; key and tempo are.",
    ),
    (
        (
            r"\b(?:what|which|name (?:the|this)|identify (?:the|this)) (?:song|tune)\b|\bsinger\b|\bwho (?:sings|plays|"
            r"composed)\b|\bname of (?:the|this) song\b"
        ),
        "Songs and their makers cannot be named offline; what can be measured is given.",
    ),
    (r"\blyrics\b", "Sung words are seldom recognised; what was recognised is given."),
    (r"\bmood\b.*\b(?:song|music|track|piece)\b", "The mood of music is not judged; key and tempo are given."),
    (
        r"\b(?:as|in|into) (?:a )?(?:json|xml|yaml|csv|html|table|markdown table)\b",
        "Answers are plain lines; `--json` gives the same as data.",
    ),
    (r"\b(?:captions?|subtitles?|srt|vtt)\b", "Subtitle files are written by `hark transcribe --format srt`."),
    (r"\b(?:voice|prosody|tone of voice|sound(?:s)? (?:happy|angry|sad))\b", "The words are judged, not the voice."),
)

POLITE = re.compile(
    r"^(?:(?:please|kindly|hey|hi|hello|ok|okay|so|now|well|and|then|also|just|hark|thanks|thank you|next|first|"
    r"finally|pls|can you(?= \w)|could you|would you|will you|"
    r"i would like you to|i would like to know|i want you to|i want to know|i need you to|i need to know|i need|i want|"
    r"i would like|i would love|do you know|"
    r"can you tell me|could you tell me|tell me|let me know|listen to (?:this|the) (?:\w+ )?(?:and|then)?|"
    r"using (?:this|the) (?:audio|recording|clip)|"
    r"based on (?:this|the) (?:audio|recording|clip)|in (?:this|the) (?:audio|recording|clip|file|meeting)|"
    r"from (?:this|the) (?:audio|recording|clip|meeting)|"
    r"given (?:this|the) (?:audio|recording|clip)|for (?:this|the) (?:audio|recording|clip|meeting)|"
    r"you are \w+ \w+ assistant|question|prompt|instruction|user) )+"
)
_VERBS = (
    "translate|summari[sz]e|transcribe|list|give|tell|describe|extract|find|identify|write|compose|sing|answer|explain|"
    "compare|rewrite|rephrase|paraphrase|draft|name|show|detect|classify|convert|make|create|generate|send|what|who|when|"
    "where|how|why|is|are|was|does|did|say|highlight|put"
)
SPLIT = re.compile(
    rf"(?<=[.!?;\n])\s+|\s*[;\n]+\s*|,?\s+(?:and|then|and then|but|also|plus|&)\s+(?:(?:also|then|"
    rf"please)\s+)*(?=(?:{_VERBS})\b)|,\s+(?=(?:then\s+)?(?:{_VERBS})\b)",
    re.IGNORECASE,
)
FOLLOWS: tuple[tuple[Follow, str], ...] = (
    (
        "next",
        (
            r"(?:and |so )?(?:then(?: what)?|what (?:then|next)|what (?:happen(?:s|ed)|came|comes|did (?:they|he|"
            r"she) say|"
            r"was said|is) (?:next|then|after (?:that|this)|afterwards)|after (?:that|this)|afterwards|go on|continue|"
            r"next|"
            r"keep going)"
        ),
    ),
    (
        "more",
        (
            r"(?:and )?(?:what|who|anything|anybody|anyone|something) else(?: (?:did|do|was|is|happened).*)?|"
            r"(?:and )?(?:tell me )?(?:some )?more(?: (?:details|about (?:that|it|this)))?|(?:is there )?(?:any )?more|"
            r"and|"
            r"details|any other(?:s)?|what about the rest"
        ),
    ),
    (
        "kind",
        (
            r"(?:and |but |so )?(?:by |until |since |at |to |for |with )?(?:who|whom|when|where|why|how|how (?:many|"
            r"much|"
            r"long|often)|what time|what day)(?: (?:exactly|is that|was that|is it|was it|will that be|that))?"
        ),
    ),
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

ONLY_THOSE = re.compile(
    r"\b(?:summar\w+|outline|overview|recap|highlights?)(?: of)?(?: (?:the|all|any|key|main|most|important|final|made|"
    r"team|their|our|s|meeting))* (?:decisions?|actions?|tasks?|to ?dos?|next steps?)\b"
)
# A question on something in particular, although it holds a word that names a job.
SPECIFIC = re.compile(
    r"^(?:what|who|when|where|why|how|which)\b.*\b(?:decisions?|tasks?|summary|minutes|transcripts?|instruments?|"
    r"volume|tone) (?:about|on|regarding|concerning|for) (?!(?:the |this |that )?(?:meeting|recording|audio|call|clip|"
    r"song|music|track)\b)\w+|"
    r"^(?:who|when|where|why|how many|how much)\b (?!(?:does|has|must|needs|will|should|is (?:supposed|"
    r"going))(?: to)?(?: do)? what\b).*\b(?:summary|minutes|notes|transcripts?|overview|outline|tasks?|decisions?|"
    r"highlights?|actions|recap|tags?)\b|"
    r"^(?:who|when|where|why) (?:will|has|must|should|is|was|did|does|needs|can|wrote|made)\b.*\b(?:transcribes?|"
    r"summari[sz]es?|transcript|feedback)\b"
)

"""SeamlessM4T, first and second version: speech to text in any of its languages, which must be named."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, ClassVar

from hark.answers.answer import Notice
from hark.engines.engine import Capabilities, Options
from hark.engines.transformers.families.family import TRANSCRIBING, Inputs, Loaded, Transcriber
from hark.errors import ModelBrokenError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

# Codes of ISO 639-1 and those of SeamlessM4T (ISO 639-3), table 5 of https://arxiv.org/abs/2308.11596
CODES = dict(
    pair.split(":")
    for pair in (
        "af:afr am:amh ar:arb as:asm az:azj be:bel bg:bul bn:ben bs:bos ca:cat cs:ces cy:cym da:dan de:deu el:ell "
        "en:eng es:spa et:est eu:eus fa:pes ff:fuv fi:fin fr:fra ga:gle gl:glg gu:guj he:heb hi:hin hr:hrv hu:hun "
        "hy:hye id:ind ig:ibo is:isl it:ita ja:jpn jv:jav ka:kat kk:kaz km:khm kn:kan ko:kor ky:kir lg:lug lo:lao "
        "lt:lit lv:lvs mk:mkd ml:mal mn:khk mr:mar ms:zlm mt:mlt my:mya nb:nob ne:npi nl:nld nn:nno ny:nya or:ory "
        "pa:pan pl:pol ps:pbt pt:por ro:ron ru:rus sd:snd sk:slk sl:slv sn:sna so:som sr:srp sv:swe sw:swh ta:tam "
        "te:tel tg:tgk th:tha tl:tgl tr:tur uk:ukr ur:urd uz:uzn vi:vie yo:yor zh:cmn zu:zul"
    ).split()
)


class Seamless(Transcriber):
    """`SeamlessM4TForSpeechToText`, also from a folder of the full model (its `architectures` name that one)."""

    model_class = "SeamlessM4TForSpeechToText"
    usual_files: ClassVar[Mapping[str, Any]] = {
        "generation_config.json": {"text_decoder_lang_to_code_id": dict.fromkeys(CODES.values(), 0)}
    }
    target_positions = "max_position_embeddings"

    def capabilities(self, config: Mapping[str, Any], folder: Path) -> Capabilities:
        """Languages are those its generation config names, by their codes there and by the usual two letters.

        Raises:
            ModelBrokenError: the generation config names none.
        """
        del config
        return Capabilities(
            free_prompt=False,
            tasks=frozenset({"transcribe", "translate"}),
            options=TRANSCRIBING | {"language", "to"},
            timestamps="segment",
            languages=_languages(folder),
            batch_exact=True,
            streams=True,
        )

    def transcribe(self, loaded: Loaded, samples: NDArray[Any], options: Options) -> Inputs:
        """Say so where nobody named the language to write in: the model would translate into the one assumed."""
        inputs = super().transcribe(loaded, samples, options)
        if self._wanted(options) is not None:
            return inputs
        told = "The language was taken to be English; speech in another one was translated. Name the language spoken."
        return Inputs(inputs.tensors, inputs.keywords, (Notice("unsure", told),))

    def keywords(self, loaded: Loaded, options: Options) -> dict[str, Any]:
        """The language to write in; without it the text would make no sense."""
        del loaded
        wanted = self._wanted(options) or "en"
        return {"tgt_lang": CODES.get(wanted, wanted)}

    def _wanted(self, options: Options) -> str | None:
        return (options.to or "en") if options.task == "translate" else options.language


class SeamlessV2(Seamless):
    """`SeamlessM4Tv2ForSpeechToText`."""

    model_class = "SeamlessM4Tv2ForSpeechToText"


def _languages(folder: Path) -> frozenset[str]:
    path = folder / "generation_config.json"
    try:
        found = json.loads(path.read_text(encoding="utf-8"))["text_decoder_lang_to_code_id"]
    except (OSError, ValueError, KeyError) as error:
        raise ModelBrokenError(f"{path} names no languages.", hint="Copy or download the model again.") from error
    return frozenset(found) | {short for short, long in CODES.items() if long in found}

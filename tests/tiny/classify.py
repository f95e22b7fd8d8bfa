"""Tiny random encoders with a classification head."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tiny.ctc import ENCODER

if TYPE_CHECKING:
    from pathlib import Path

LABELS = ("angry", "happy", "neutral", "sad")
CONVOLUTIONS = {"conv_stride": (5, 2, 2, 2, 2, 2, 2), "conv_kernel": (10, 3, 3, 3, 3, 2, 2)}
# model type: config class, its fields. The fields of `ENCODER` are those of wav2vec 2.0 and its children.
ENCODERS: dict[str, tuple[str, dict[str, Any]]] = {
    "data2vec-audio": ("Data2VecAudioConfig", {"conv_pos_kernel_size": 3, "num_conv_pos_embeddings": 2}),
    "hubert": ("HubertConfig", {}),
    "sew": ("SEWConfig", {"squeeze_factor": 2, **CONVOLUTIONS}),
    "sew-d": ("SEWDConfig", {"squeeze_factor": 2, "position_buckets": 16, **CONVOLUTIONS}),
    "unispeech": ("UniSpeechConfig", {}),
    "unispeech-sat": ("UniSpeechSatConfig", {}),
    "wav2vec2": ("Wav2Vec2Config", {}),
    "wav2vec2-conformer": ("Wav2Vec2ConformerConfig", {"position_embeddings_type": "rotary"}),
    "wavlm": ("WavLMConfig", {}),
}


def tiny_classifier(folder: Path, model_type: str = "wav2vec2", seed: int = 0, **config: Any) -> Path:
    """Write the folder of a model of one of `CLASSIFIERS`; `config` is added to its config."""
    import torch
    import transformers

    torch.manual_seed(seed)
    named = {"id2label": dict(enumerate(LABELS)), "label2id": {name: number for number, name in enumerate(LABELS)}}
    made, extractor = {"audio-spectrogram-transformer": _ast, "whisper": _whisper, "wav2vec2-bert": _bert}.get(
        model_type, lambda named: _encoder(model_type, named)
    )(named | config)
    model = transformers.AutoModelForAudioClassification.from_config(made)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if name.startswith(("classifier", "projector")):
                weight.normal_(std=0.3)  # scores that differ from clip to clip, and are neither 0 nor 1
    model.save_pretrained(folder)
    extractor.save_pretrained(folder)
    return folder


def _encoder(model_type: str, named: dict[str, Any]) -> tuple[Any, Any]:
    import transformers

    name, more = ENCODERS[model_type]
    fields = {key: value for key, value in ENCODER.items() if key != "vocab_size"} | more
    config = getattr(transformers, name)(classifier_proj_size=16, **fields | named)
    return config, transformers.Wav2Vec2FeatureExtractor(return_attention_mask=True)


def _ast(named: dict[str, Any]) -> tuple[Any, Any]:
    from transformers import ASTConfig, ASTFeatureExtractor

    config = ASTConfig(
        hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32, initializer_range=0.5,
        num_mel_bins=32, frequency_stride=16, time_stride=16, **named,
    )  # fmt: skip
    return config, ASTFeatureExtractor(num_mel_bins=32)


def _whisper(named: dict[str, Any]) -> tuple[Any, Any]:
    from transformers import WhisperConfig, WhisperFeatureExtractor

    config = WhisperConfig(
        d_model=16, encoder_layers=2, decoder_layers=1, encoder_attention_heads=2, decoder_attention_heads=2,
        encoder_ffn_dim=32, decoder_ffn_dim=32, init_std=0.5, classifier_proj_size=16, vocab_size=64,
        pad_token_id=0, bos_token_id=1, eos_token_id=2, decoder_start_token_id=1, **named,
    )  # fmt: skip
    return config, WhisperFeatureExtractor()


def _bert(named: dict[str, Any]) -> tuple[Any, Any]:
    from transformers import SeamlessM4TFeatureExtractor, Wav2Vec2BertConfig

    config = Wav2Vec2BertConfig(
        hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32,
        feature_projection_input_dim=160, classifier_proj_size=16, initializer_range=1.0, **named,
    )  # fmt: skip
    return config, SeamlessM4TFeatureExtractor()

"""The records that pass between the stages: seed -> response, question -> answer.

Every stage reads and writes these columns and knows nothing else of its neighbours. Files are Arrow or Parquet.
"""

from datasets import Audio, Features, List, Value

SEED_TYPES = ("caption", "tags")
SAMPLE_TYPES = ("positive", "negative", "combined", "rule")

# Encoded as {"path", "bytes"}: decoding is the processor's, which needs no FFmpeg.
_AUDIO = Audio(decode=False)

SEED_FEATURES = Features(
    {
        "id": Value("string"),  # stable and unique within a corpus
        "corpus": Value("string"),
        "split": Value("string"),
        "audio": _AUDIO,
        "duration": Value("float64"),  # seconds; null where unknown without the audio
        "seed": Value("string"),  # P_seed: what stands in the span while data is made
        "seed_type": Value("string"),  # one of SEED_TYPES
        "captions": List(Value("string")),
        "tags": List(Value("string")),
    }
)

RESPONSE_FEATURES = Features(
    {
        **SEED_FEATURES,
        "sample_type": Value("string"),  # one of SAMPLE_TYPES
        "sample_index": Value("int64"),  # 0, 1, ... among the draws of one type for one seed
        "prompt": Value("string"),  # P_gen
        "response": Value("string"),  # R_LLM, the training target
        "generator": Value("string"),  # the model that wrote it, or "rule"
        "finish_reason": Value("string"),  # "stop" or "length"
        "response_tokens": Value("int64"),
    }
)

# A benchmark adds columns of its own (`object`, `relation`, `answers`, ...).
QUESTION_FEATURES = Features(
    {
        "id": Value("string"),  # stable and unique within a benchmark and subset
        "benchmark": Value("string"),
        "subset": Value("string"),
        "audio": _AUDIO,
        "question": Value("string"),
        "answer": Value("string"),  # "yes" or "no" where the question is one of presence
    }
)

# What a system adds to a question: its name, the raw response, P(yes) and the answer read from it (both may be null).
ANSWER_FEATURES = Features(
    {
        **QUESTION_FEATURES,
        "system": Value("string"),
        "response": Value("string"),
        "p_yes": Value("float64"),
        "parsed": Value("string"),
    }
)

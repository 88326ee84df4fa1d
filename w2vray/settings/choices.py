"""Values that options of several verbs take."""

__all__ = [
    "DEFAULT_CONFIDENCE",
    "DTYPES",
    "EXPLAIN_METHODS",
    "FAMILIES",
    "OOV_CHOICES",
    "SPECIAL_OOV",
    "STORE_FORMATS",
]

DTYPES = ("float32", "float16")
EXPLAIN_METHODS = ("model", "occlusion")
FAMILIES = ("plain", "glove", "googlenews", "fasttext", "cased", "uncased", "twitter")
OOV_CHOICES = ("skip", "zero", "unknown", "subword")
SPECIAL_OOV = ("zero", "unknown")  # one row of the model's own stands for every word without a vector
STORE_FORMATS = ("parquet", "jsonl", "csv", "fasttext")
DEFAULT_CONFIDENCE = 0.95

"""Checks what a checkpoint says about an encoder's tokeniser, before flair unpacks it and transformers makes it.

It is an archive of files that transformers reads. Their settings become arguments of the class that is made, and may
include names of files, options of loaders, and code. So only known files and settings of tokenisers are taken, and a
new archive is written from them. TB is transformers 4.57's tokenization_utils_base.py.
"""

from __future__ import annotations

import io
import json
import zipfile
from typing import TYPE_CHECKING

from assembler.flair_checkpoints.encoders.architectures import tokenizer_classes
from assembler.flair_checkpoints.pickles import RefusalError
from assembler.flair_checkpoints.pickles.archive import members_of
from assembler.runtime.tokenizer_bounds import unbounded_steps

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

#: The tokenisers that transformers may make: plain ones, which read JSON and text files alone.
_TOKENIZERS = frozenset(
    f"{name}Tokenizer{suffix}"
    for name in ("Bert", "Roberta", "XLMRoberta", "Camembert", "Electra", "DistilBert")
    for suffix in ("", "Fast")
) | {"PreTrainedTokenizerFast"}
_CONFIG = "tokenizer_config.json"
#: The files, by how they are read here.
_FILES = frozenset(
    {_CONFIG, "special_tokens_map.json", "added_tokens.json", "tokenizer.json", "vocab.txt", "vocab.json",
     "merges.txt", "sentencepiece.bpe.model", "spiece.model", "spm.model", "tokenizer.model"}
)  # fmt: skip
#: The largest tokeniser that is known, XLM-R's, has 17 MB.
_LARGEST = 200_000_000

_SPECIAL = frozenset(f"{name}_token" for name in ("bos", "eos", "unk", "sep", "pad", "cls", "mask"))
_SPECIAL_LISTS = frozenset({"additional_special_tokens"})
_TEXTS = frozenset(
    {"tokenizer_class", "padding_side", "truncation_side", "truncation_strategy", "errors", "vocab_type"}
)
_SWITCHES = frozenset(
    {"add_prefix_space", "trim_offsets", "do_lower_case", "do_basic_tokenize", "tokenize_chinese_chars",
     "strip_accents", "clean_up_tokenization_spaces", "split_special_tokens", "legacy", "keep_accents",
     "remove_space", "clean_text", "use_fast", "return_token_type_ids", "split_by_punct", "add_bos_token",
     "add_eos_token", "use_default_system_prompt", "spaces_between_special_tokens"}
)  # fmt: skip
_NUMBERS = frozenset(
    {"model_max_length", "max_length", "max_len", "stride", "pad_to_multiple_of", "pad_token_type_id", "extra_ids"}
)
#: Notes of other machines, and names of files. They are left out, because the archive's own files are read anyway.
_LEFT_OUT = frozenset(
    {"vocab_file", "merges_file", "tokenizer_file", "special_tokens_map_file", "added_tokens_file", "name_or_path",
     "processor_class", "chat_template", "backend", "_commit_hash"}
)  # fmt: skip
#: Settings that transformers writes empty if there are none. If not empty, they are options of classes elsewhere.
_EMPTY = frozenset(
    {"sp_model_kwargs", "extra_special_tokens", "never_split", "init_inputs", "model_specific_special_tokens"}
)
_ADDED = frozenset({"content", "single_word", "lstrip", "rstrip", "normalized", "special", "__type"})


class TokenizerRefusedError(Exception):
    """A tokeniser must not be made; the text continues "the encoder of the tagger"."""


def plain_tokenizer(data: object) -> io.BytesIO:
    """Return a new archive of a tokeniser, with its known files and settings.

    Args:
        data: The value in the checkpoint.

    Raises:
        TokenizerRefusedError: It is not an archive, or has an unknown file or setting.
    """
    if type(data) is not io.BytesIO:
        message = "has no tokeniser"
        raise TokenizerRefusedError(message)
    files = _read(data)
    parsed = {name: _parsed(name, content) for name, content in files.items() if name.endswith(".json")}
    config = _object(parsed.get(_CONFIG, {}))
    made = config.get("tokenizer_class")
    if type(made) is not str or made not in _TOKENIZERS | tokenizer_classes() or "auto_map" in config:
        message = "has a tokeniser of another class than those of its kind of encoder"
        raise TokenizerRefusedError(message)
    files[_CONFIG] = json.dumps(_settings(config)).encode()
    if (special := "special_tokens_map.json") in parsed:
        files[special] = json.dumps(_special(_object(parsed[special]))).encode()
    if (added := "added_tokens.json") in parsed and not _are_rows(parsed[added]):
        raise _unknown(added)
    if (unbounded := unbounded_steps(parsed.get("tokenizer.json"))) is not None:
        message = f"has a tokeniser that is refused: {unbounded}"
        raise TokenizerRefusedError(message)
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return written


def _read(data: io.BytesIO) -> dict[str, bytes]:
    """Return the files of the archive. They are stored uncompressed, so they are no larger than the checkpoint."""
    size = data.getbuffer().nbytes
    try:
        members = members_of(data, size)
    except RefusalError as err:
        message = f"has no tokeniser that can be read: {err}"
        raise TokenizerRefusedError(message) from err
    strange = next((name for name in members if name not in _FILES), None)
    if strange is not None:
        message = f"has a tokeniser with the file {strange!r:.60}"
        raise TokenizerRefusedError(message)
    if size > _LARGEST:
        message = f"has a tokeniser of more than {_LARGEST} bytes"
        raise TokenizerRefusedError(message)
    if _CONFIG not in members:
        message = f"has no tokeniser that can be read: {_CONFIG} is not in it"
        raise TokenizerRefusedError(message)
    view = data.getvalue()
    return {name: view[extent.start : extent.end] for name, extent in members.items()}


def _parsed(name: str, content: bytes) -> object:
    try:
        parsed: object = json.loads(content)
    except (ValueError, RecursionError) as err:
        message = f"has no tokeniser that can be read: {name}: {err}"
        raise TokenizerRefusedError(message) from err
    return parsed


def _object(parsed: object) -> Mapping[str, object]:
    if not isinstance(parsed, dict):
        message = "has no tokeniser that can be read: its settings are no object"
        raise TokenizerRefusedError(message)
    return parsed


def _settings(config: Mapping[str, object]) -> dict[str, object]:
    """Return the settings that transformers is given."""
    given = {name: value for name, value in config.items() if name not in _LEFT_OUT}
    for name, value in given.items():
        fits = _SORTS.get(name)
        if fits is None or not fits(value):
            raise _unknown(name)
    return {name: value for name, value in given.items() if name not in _EMPTY}


def _special(tokens: Mapping[str, object]) -> dict[str, object]:
    """Return the special tokens. transformers takes any name here as an argument of the class (TB 2295-2312)."""
    for name, value in tokens.items():
        if name not in _SPECIAL | _SPECIAL_LISTS or not _SORTS[name](value):
            raise _unknown(name)
    return dict(tokens)


def _unknown(name: str) -> TokenizerRefusedError:
    return TokenizerRefusedError(f"has a tokeniser with the setting {name!a:.60}, or a value of it, that is not known")


def _is_token(value: object) -> bool:
    """Return whether a value is a special token: a text, none, or a text with switches."""
    if isinstance(value, dict):
        switches = [inner for name, inner in value.items() if name not in {"content", "__type"}]
        whole = value.keys() <= _ADDED and type(value.get("content")) is str
        return whole and value.get("__type") in {None, "AddedToken"} and all(type(each) is bool for each in switches)
    return value is None or type(value) is str


def _are_tokens(value: object) -> bool:
    return value is None or (isinstance(value, list) and all(map(_is_token, value)))


def _are_added(value: object) -> bool:
    if not isinstance(value, dict):
        return False
    return all(name.isdecimal() and isinstance(token, dict) and _is_token(token) for name, token in value.items())


def _are_rows(value: object) -> bool:
    return isinstance(value, dict) and all(type(row) is int and row >= 0 for row in value.values())


def _are_texts(value: object) -> bool:
    return isinstance(value, list) and all(type(text) is str for text in value)


#: Whether a value fits, by the name of the setting.
_SORTS: Mapping[str, Callable[[object], bool]] = {
    **dict.fromkeys(_SPECIAL, _is_token),
    **dict.fromkeys(_SPECIAL_LISTS, _are_tokens),
    **dict.fromkeys(_TEXTS, lambda value: type(value) is str),
    **dict.fromkeys(_SWITCHES, lambda value: value is None or type(value) is bool),
    **dict.fromkeys(_NUMBERS, lambda value: value is None or type(value) in {int, float}),
    **dict.fromkeys(_EMPTY, lambda value: not value),
    "added_tokens_decoder": _are_added,
    "model_input_names": _are_texts,
}

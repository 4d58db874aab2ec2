"""Secrets in URLs: taken out of every text that is printed, logged, stored or sent.

A URL carries them as user:password@, and in its query: tokens, and the signatures of links that somebody else signed.
"""

import re
from typing import Any

# Up to the last @ before the path. A password may hold / ? or # as they are, as keys of AWS do: then what follows the
# colon is no port, and the last @ of the word ends it.
_USER = re.compile(r"(?<=://)(?:[^\s/?#]*@|[^\s/?#@:\[]*:(?!\d*(?:[/?#\s]|$))\S*@)")
_NAMES = (
    r"[^\s=&;?#]*(?:token(?!s)|secret|passw|pwd|signature|credential|auth(?!or)|session|(?:api|access|account|private)[-_]?key)"
    r"[^\s=&;?#]*|key|sig|jwt|odbc_connect"
)
# Without what stands behind a URL in a sentence.
_QUERY = re.compile(rf"([?&;#](?:{_NAMES})=)[^\s&#]+?(?=[.,:;!)\]}}>'\"]*(?:\s|$)|[&#])", re.IGNORECASE)
HIDDEN = "***"


def redacted(text: str) -> str:
    """The text without the passwords and other secrets of the URLs in it; one without any is as it was."""
    return _QUERY.sub(rf"\1{HIDDEN}", _USER.sub("", text))


def without_secrets(value: Any) -> Any:
    """A value of params, with every text in it redacted."""
    if isinstance(value, str):
        return redacted(value)
    if isinstance(value, dict):
        return {key: without_secrets(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [without_secrets(one) for one in value]
    return value

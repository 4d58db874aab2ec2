"""Secrets in URLs: taken out of every text that is printed, logged, stored or sent.

A URL carries them as user:password@, and in its query: tokens, and the signatures of links that somebody else signed.
"""

import re
from typing import Any

# A password may hold / ? # and @ as they are, as keys of AWS do. So behind user: the last @ of the word ends it: of
# host:port/a@b text is lost, since a password may begin with digits too. A user alone ends before the path.
_USER = re.compile(r"(?<=://)(?:[^\s/?#:\[]*:\S*@|[^\s/?#]*@)")
_IN_NAMES = (
    "token(?!s)|secret|passw|passphrase|passcode|pwd|signature|credential|session|hmac|jwt|bearer|"
    "auth(?!or(?!i[sz]))|(?:api|access|account|private|shared|master|subscription|signing)[-_]?key"
)
_NAMES = rf"[^\s=&;?#]*(?:{_IN_NAMES})[^\s=&;?#]*|[^\s=&;?#]*pass|key|sig|code|otp|pin|pw|odbc_connect"
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

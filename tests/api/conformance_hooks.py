"""What the EvoLink document says in prose only, told to Schemathesis (see test_conformance.py).

Its schema calls every string a prompt and every URI a callback address; its text asks for a prompt
that describes a picture, of at most 640 tokens, and for an HTTPS address that is not internal.
"""

import re
from typing import Any

import schemathesis

# Names that public DNS does not serve are internal too: RFC 2606, RFC 6762, RFC 7686, RFC 8375.
PUBLIC_HTTPS = re.compile(
    r"https://([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)+"
    r"(?!(test|invalid|alt|arpa|onion|svc|corp|home|lan|private|intranet|internal|local\w*)(/|$))"
    r"[a-z]{2,}(/[\w/.-]*)?"
)
ANY_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
PROMPT_CHARACTERS_MAX = 640


@schemathesis.hook
def filter_body(context: schemathesis.HookContext, body: Any) -> bool:
    """Whether the prose leaves any doubt about this body: then it is not a case."""
    if not isinstance(body, dict):
        return True
    prompt, callback_url = body.get("prompt"), body.get("callback_url")
    if isinstance(prompt, str) and not 0 < len(prompt.strip()) <= PROMPT_CHARACTERS_MAX:
        return False
    if isinstance(callback_url, str) and ANY_URI.match(callback_url):
        return PUBLIC_HTTPS.fullmatch(callback_url) is not None
    return True

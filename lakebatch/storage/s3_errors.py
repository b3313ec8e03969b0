"""Errors of S3, as lakebatch and engines receive them, and advice for each."""

from __future__ import annotations

import re

PASSING = {
    "InternalError",
    "OperationAborted",
    "RequestTimeout",
    "ServiceUnavailable",
    "SlowDown",
    "Throttling",
    "ThrottlingException",
}
ABSENT = {"NoSuchKey"}
EXISTS = {"PreconditionFailed", "ConditionalRequestConflict", "412"}
ADVICE = {
    "Create the bucket, or correct its name in --lake or S3_BUCKET_NAME.": ("NoSuchBucket", "404"),
    "Check S3_ACCESS_KEY and S3_SECRET_KEY.": ("InvalidAccessKeyId", "SignatureDoesNotMatch", "403"),
    "Ask for the right to list, read and write in this bucket, or check S3_ACCESS_KEY and S3_SECRET_KEY.": (
        "AccessDenied",
        "AllAccessDisabled",
    ),
    "Renew AWS_SESSION_TOKEN together with its two keys, or unset it.": (
        "ExpiredToken",
        "ExpiredTokenException",
        "InvalidToken",
        "TokenRefreshRequired",
    ),
    "Correct S3_REGION_NAME or S3_ENDPOINT.": (
        "AuthorizationHeaderMalformed",
        "IllegalLocationConstraintException",
        "PermanentRedirect",
        "301",
    ),
    "Set this machine's clock.": ("RequestTimeTooSkewed",),
    "Free some of the quota.": ("QuotaExceeded",),
}
"""Error codes by advice."""
OTHER_ADVICE = "Check S3_ENDPOINT, the bucket and the keys."
ENGINE_ERROR = "Generic S3 error"
"""An engine's words for an answer of S3 that it did not expect, or none."""
UNREACHABLE = (ENGINE_ERROR, "error sending request")
# An engine's mark before each cause in a chain of errors
STEP = re.compile(r"(?:\x1b\[\d+m)?↳(?:\x1b\[\d+m)?")
IN_AN_ANSWER = re.compile(r"<Code>(\w+)</Code>")


def advice(code: str) -> str:
    """Return the advice for an error code of S3.

    >>> advice("RequestTimeTooSkewed")
    "Set this machine's clock."
    """
    return next((what for what, codes in ADVICE.items() if code in codes), OTHER_ADVICE)


def refusal(text: str) -> str | None:
    """Return the error code of a final refusal by S3 in an engine's message, if it has one.

    >>> refusal("Client error with status 403 Forbidden: <Error><Code>AccessDenied</Code></Error>")
    'AccessDenied'
    >>> refusal("Server error, after 10 retries: <Error><Code>SlowDown</Code></Error>")
    """
    codes = set(IN_AN_ANSWER.findall(text))
    return next(iter(codes - PASSING - EXISTS - {"NoSuchKey"}), None)


def is_unreachable(text: str) -> bool:
    """Whether an engine's error message says that S3 was not reached, or that the connection broke.

    >>> is_unreachable("Generic S3 error: Error getting list response body: end of file before message length reached")
    True
    """
    return any(hint in text for hint in UNREACHABLE) and refusal(text) is None


def explain(text: str) -> str | None:
    """Return the reason and the advice for an engine's error about S3; None if the message is about another thing.

    >>> explain("Generic S3 error ↳ HTTP error ↳ Connection refused (os error 111)")
    'Connection refused (os error 111). Check S3_ENDPOINT and the network.'
    """
    if code := refusal(text):
        return f"S3 says {code}. {advice(code)}"
    if is_unreachable(text):
        return f"{' '.join(STEP.split(text)[-1].split())}. Check S3_ENDPOINT and the network."
    return None

"""Errors that a client is told (RFC 9457)."""

from http import HTTPStatus


class Problem(Exception):
    """A handler raises one; any other error becomes "500 internal" without its text."""

    def __init__(self, status: int, code: str, detail: str) -> None:
        super().__init__(f"{status} {code}: {detail}")
        self.status, self.code, self.detail = status, code, detail

    def body(self, correlation: str) -> dict:
        return {"status": self.status, "code": self.code, "title": HTTPStatus(self.status).phrase,
                "detail": self.detail, "correlation_id": correlation}


def bad_request(detail: str) -> Problem:
    return Problem(400, "bad-request", detail)


def not_found(detail: str) -> Problem:
    return Problem(404, "not-found", detail)


def conflict(detail: str) -> Problem:
    return Problem(409, "conflict", detail)


def told(err: BaseException) -> str:
    """What the log is told of an error: its cause too."""
    text = str(err) or type(err).__name__
    return f"{text}: {told(err.__cause__)}" if err.__cause__ else text

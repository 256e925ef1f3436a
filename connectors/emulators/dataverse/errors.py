"""What the Web API refuses, and how it says so (dynamics365.md 3.1, 3.4)."""

NOT_FOUND = "0x80040217"
BAD_QUERY = "0x80060888"
BAD_PAYLOAD = "0x80048d19"
NO_PRIVILEGE = "0x80040220"
EXPIRED_TOKEN = "0x80044352"
DUPLICATE = "0x80040237"


class DataverseError(Exception):
    """A refused request: status, their code (may be empty), message, headers of the answer."""

    def __init__(self, status: int, code: str, message: str, **headers: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}


def missing_row(table: str, row_id: str) -> DataverseError:
    return DataverseError(404, NOT_FOUND, f"{table} With Id = {row_id} Does Not Exist")


def missing_property(name: str, type_name: str) -> DataverseError:
    return DataverseError(400, BAD_QUERY, f"Could not find a property named '{name}' on type '{type_name}'.")


def bad_query(words: str) -> DataverseError:
    return DataverseError(400, BAD_QUERY, words)


def bad_payload(words: str) -> DataverseError:
    return DataverseError(400, BAD_PAYLOAD, f"Error identified in Payload provided by the user: {words}")

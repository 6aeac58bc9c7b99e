"""What the commands of discord.py and of the libraries that came of it share."""

import io

import protocol


def completed(typed: str) -> list[str]:
    return [choice for choice in protocol.CHOICES if choice.startswith(typed or "")]


def file_of(library):
    return library.File(io.BytesIO(protocol.FILE), filename=protocol.FILE_NAME)

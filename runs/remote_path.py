"""A place in a store: as much of pathlib's Path as reading a run needs."""

import fnmatch
import posixpath
from collections.abc import Generator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, Self

from ..diagnostics.errors import RunError
from .store import asking, filesystem

MARKS = ("ETag", "etag", "md5Hash", "generation", "LastModified", "last_modified", "mtime", "modified", "created")
"""What stores say of an object that tells it from a later one of its name."""

CHANGED = ("LastModified", "last_modified", "mtime", "modified", "updated", "created")
"""Under which of these they say when it was written."""


class OnlyOnDisk(RunError, AttributeError):
    """Something that a run in a store cannot do."""


if TYPE_CHECKING:  # to whoever reads a run it is a Path; it cannot be one, for pathlib takes a slash from `s3://`
    Base = Path
else:
    Base = object


class RemotePath(Base):
    """An address such as `s3://bucket/logs/mine`; every question is a request, and nothing is remembered.

    entry : what a listing said of it, so that the store need not be asked again
    Methods raise StoreError where the store cannot be used, FileNotFoundError for an object that is not there.
    """

    def __init__(self, address: str, fs: Any = None, entry: dict[str, Any] | None = None) -> None:
        self._protocol, _, rest = address.partition("://")
        self._rest = rest.rstrip("/")
        self._fs, self._entry = fs, entry

    @property
    def fs(self) -> Any:
        """The fsspec file system."""
        if self._fs is None:
            self._fs = filesystem(str(self))
        return self._fs

    @property
    def key(self) -> str:
        """What the file system calls it."""
        return self.fs._strip_protocol(str(self))

    def __str__(self) -> str:
        return f"{self._protocol}://{self._rest}"

    def __repr__(self) -> str:
        return f"RemotePath({str(self)!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RemotePath) and str(self) == str(other)

    def __hash__(self) -> int:
        return hash(str(self))

    def __lt__(self, other: object) -> bool:
        return str(self) < str(other)

    def __truediv__(self, key: object) -> Self:
        return self._sibling(f"{self._rest}/{key}" if self._rest else str(key))

    @property
    def name(self) -> str:
        """The last part."""
        return posixpath.basename(self._rest)

    @property
    def stem(self) -> str:
        """The last part without its ending."""
        return posixpath.splitext(self.name)[0]

    @property
    def parent(self) -> Self:
        """All but the last part; of a bucket, itself."""
        return self._sibling(posixpath.dirname(self._rest) or self._rest)

    def with_name(self, name: str) -> Self:
        """Another one beside it."""
        return self.parent / name

    def with_suffix(self, suffix: str) -> Self:
        """The same with another ending."""
        return self.with_name(self.stem + suffix)

    def resolve(self, strict: bool = False) -> Self:
        """Itself: an address is absolute."""
        return self

    def mkdir(self, mode: int = 0o777, parents: bool = False, exist_ok: bool = False) -> None:
        """Nothing: stores have no folders, only names with slashes."""

    def is_symlink(self) -> bool:
        """Stores have no links."""
        return False

    def is_file(self) -> bool:
        """Whether there is an object."""
        try:
            return self.entry()["type"] == "file"
        except FileNotFoundError:
            return False

    def is_dir(self) -> bool:
        """Whether there are objects below it."""
        if self._entry is not None:
            return self._entry["type"] == "directory"
        return any(True for _ in self.iterdir())

    def exists(self) -> bool:
        """Whether there is anything."""
        return self.is_file() or self.is_dir()

    def entry(self) -> dict[str, Any]:
        """What the store says of the object: name, type, size and more."""
        if self._entry is None:
            with asking(self):
                self.fs.invalidate_cache()  # of listings, which other processes' writing makes wrong
                return self.fs.info(self.key)
        return self._entry

    def mark(self) -> tuple[str, ...]:
        """What tells the object from a later one of its name."""
        return mark_of(self.entry())

    def iterdir(self) -> Generator[Self]:
        """What is right below it; nothing where it is not there."""
        with asking(self):
            self.fs.invalidate_cache()
            try:
                found = self.fs.ls(self.key, detail=True)
            except (FileNotFoundError, NotADirectoryError):
                found = []
        for entry in found:
            name = posixpath.basename(entry["name"].rstrip("/"))
            if name and entry["name"].rstrip("/") != self.key.rstrip("/"):  # some list a folder's own empty object
                yield type(self)(str(self / name), self.fs, entry)

    def glob(self, pattern: str) -> Generator[Self]:
        """What is right below it by a pattern of one part."""
        yield from (path for path in self.iterdir() if fnmatch.fnmatchcase(path.name, pattern))

    def objects(self) -> dict[str, dict[str, Any]]:
        """Every object below it, however deep, with what the store says of it, by its name from here."""
        with asking(self):
            self.fs.invalidate_cache()
            try:
                found = self.fs.find(self.key, detail=True)
            except FileNotFoundError:
                return {}
        start = f"{self.key.rstrip('/')}/"
        return {name.removeprefix(start): entry for name, entry in found.items() if name.startswith(start)}

    def read_bytes(self) -> bytes:
        """The object."""
        with asking(self):
            return self.fs.cat_file(self.key)

    def read_text(self, encoding: str | None = None, errors: str | None = None) -> str:
        """The object as text."""
        return self.read_bytes().decode(encoding or "utf-8", errors or "strict")

    def write_bytes(self, data: Any) -> int:
        """Put the object whole."""
        with asking(self, missing=False):
            self.fs.pipe_file(self.key, data)
        return len(data)

    def create(self, content: bytes) -> None:
        """Put the object whole if there is none; raises FileExistsError."""
        with asking(self, missing=False):
            self.fs.pipe_file(self.key, content, mode="create")

    def unlink(self, missing_ok: bool = True) -> None:
        """Delete the object; for many stores one that is not there is deleted as well."""
        with asking(self), suppress(*([FileNotFoundError] if missing_ok else ())):
            self.fs.rm_file(self.key)

    def _sibling(self, rest: str) -> Self:
        return type(self)(f"{self._protocol}://{rest}", self._fs)

    def __fspath__(self) -> NoReturn:
        raise self._refusal("that")

    def __getattr__(self, name: str) -> NoReturn:
        if name.startswith("_"):
            raise AttributeError(name)
        raise self._refusal(name)

    def _refusal(self, what: str) -> OnlyOnDisk:
        return OnlyOnDisk(f"{self} is in a store, where this cannot be done ({what}); copy the run to a folder first")


def mark_of(entry: dict[str, Any]) -> tuple[str, ...]:
    """What tells an object from a later one of its name, from what a listing says."""
    return str(entry.get("size")), *(str(entry[name]) for name in MARKS if entry.get(name) is not None)


def changed_at(entry: dict[str, Any]) -> datetime | None:
    """When an object was written, as far as the store says it."""
    said = next((entry[name] for name in CHANGED if entry.get(name) is not None), None)
    if isinstance(said, (int, float)):
        return datetime.fromtimestamp(said, UTC)
    if isinstance(said, str):
        try:
            said = datetime.fromisoformat(said)
        except ValueError:
            return None
    return said.replace(tzinfo=said.tzinfo or UTC) if isinstance(said, datetime) else None

"""Field types that oslo.versionedobjects does not have.

Records are frozen dataclasses of ``domain``: they cross the bus as plain
JSON, an order of magnitude cheaper than nested objects, and their shape is
part of the owning object's fingerprint.  So are an enum's members: the
library's own ``repr`` of a field, which the fingerprint is made of, has neither.
"""

import dataclasses
import datetime
import enum
import typing
import uuid
from typing import Any

from oslo_versionedobjects import fields

from escalator.objects import shapes


class StrictUUID(fields.FieldType):
    """UUID text; unlike the library's field it refuses anything else."""

    def coerce(self, obj: Any, attr: str, value: Any) -> str:
        try:
            return str(uuid.UUID(str(value)))
        except ValueError:
            raise ValueError(f"{attr}: {value!r} is not a UUID") from None


class UUIDField(fields.AutoTypedField):
    AUTO_TYPE = StrictUUID()


class _Enum(fields.FieldType):
    def __init__(self, kind: type[enum.StrEnum]) -> None:
        self.kind = kind

    def coerce(self, obj: Any, attr: str, value: Any) -> str:
        return self.kind(value).value

    def __repr__(self) -> str:
        return f"Enum({','.join(member.value for member in self.kind)})"


class EnumField(fields.AutoTypedField):
    """Text of one of ``kind``'s members."""

    def __init__(self, kind: type[enum.StrEnum], **kwargs: Any) -> None:
        self.AUTO_TYPE = _Enum(kind)
        super().__init__(**kwargs)

    def __repr__(self) -> str:
        return f"{self.AUTO_TYPE!r}nullable={self.nullable}"


class DateTime(fields.DateTime):
    """A moment in UTC, to the microsecond: the library's keeps whole seconds.

    Older peers read it: parsing has always taken fractions.
    """

    def to_primitive(self, obj: Any, attr: str, value: Any) -> str:
        return self.stringify(value)

    def stringify(self, value: datetime.datetime) -> str:
        moment = value.astimezone(datetime.UTC).replace(tzinfo=None)
        return moment.isoformat(timespec="microseconds") + "Z"


class DateTimeField(fields.AutoTypedField):
    AUTO_TYPE = DateTime()


class _Json(fields.FieldType):
    """JSON object, array or scalar, passed through as it is."""

    def coerce(self, obj: Any, attr: str, value: Any) -> Any:
        if not isinstance(value, dict | list | str | int | float | bool | None):
            raise ValueError(f"{attr}: {type(value).__name__} is not JSON")
        return value


class JsonField(fields.AutoTypedField):
    AUTO_TYPE = _Json()


class RecordCodec:
    """Encode and decode one dataclass; built once per class.

    :param is_trusted: what is decoded was encoded here: types are not checked.
    """

    def __init__(self, kind: type, is_trusted: bool = False) -> None:
        self.kind = kind
        hints = typing.get_type_hints(kind)
        self.members = tuple(
            (f.name, _member(hints[f.name], is_trusted), _is_required(f))
            for f in dataclasses.fields(kind)
        )
        self._plan = tuple(
            (name, nested, *_checks(hints[name], nested, is_trusted), is_required)
            for name, nested, is_required in self.members
        )

    def encode(self, record: Any) -> dict[str, Any]:
        """Return ``record`` as a dict of JSON values."""
        return {
            name: getattr(record, name)
            if nested is None
            else nested.encode(getattr(record, name))
            for name, nested, _ in self.members
        }

    def decode(self, values: Any) -> Any:
        """Return the dataclass; unknown keys of a newer peer are dropped.

        :raises ValueError: ``values`` is no dict, misses a member, or one has
            a wrong type.
        """
        if not isinstance(values, dict):
            raise ValueError(f"{self.kind.__name__}: {values!r} is no object")
        found = {}
        for name, nested, exact, is_right, is_required in self._plan:
            if name in values:
                value = values[name]
                if exact is not None:
                    if type(value) is not exact:
                        raise self._refusal(name, value)
                elif is_right is not None and not is_right(value):
                    raise self._refusal(name, value)
                found[name] = value if nested is None else nested.decode(value)
            elif is_required:
                raise ValueError(f"{self.kind.__name__}: {name} is missing")
        return self.kind(**found)

    def _refusal(self, name: str, value: Any) -> ValueError:
        kind = type(value).__name__
        return ValueError(f"{self.kind.__name__}: {name} has a wrong type: {kind}")

    def __repr__(self) -> str:
        inner = ",".join(
            f"{name}:{nested or 'json'}:{is_required}"
            for name, nested, is_required in self.members
        )
        return f"{self.kind.__name__}({inner})"


class _Many:
    def __init__(self, codec: RecordCodec) -> None:
        self.codec = codec

    def encode(self, values: Any) -> list[Any]:
        return [self.codec.encode(v) for v in values]

    def decode(self, values: Any) -> tuple[Any, ...]:
        if not isinstance(values, list):
            raise ValueError(f"{self.codec.kind.__name__}s: {values!r} is no list")
        decode = self.codec.decode
        return tuple([decode(v) for v in values])

    def __repr__(self) -> str:
        return f"[{self.codec!r}]"


class _Texts:
    """A tuple of JSON scalars: JSON arrays come back as tuples."""

    def encode(self, values: Any) -> list[Any]:
        return list(values)

    def decode(self, values: Any) -> tuple[Any, ...]:
        return tuple(values)

    def __repr__(self) -> str:
        return "[json]"


def _is_required(field: "dataclasses.Field[Any]") -> bool:
    return (
        field.default is dataclasses.MISSING
        and field.default_factory is dataclasses.MISSING
    )


def _member(hint: Any, is_trusted: bool) -> Any:
    if dataclasses.is_dataclass(hint):
        return RecordCodec(typing.cast(type, hint), is_trusted)
    if typing.get_origin(hint) is tuple:
        inner = typing.get_args(hint)[0]
        if dataclasses.is_dataclass(inner):
            return _Many(RecordCodec(typing.cast(type, inner), is_trusted))
        return _Texts()
    return None


def _checks(
    hint: Any, nested: Any, is_trusted: bool
) -> tuple[type | None, shapes.Check | None]:
    """Return the exact type and the check of a member; records check themselves."""
    if is_trusted or isinstance(nested, RecordCodec | _Many):
        return None, None
    return shapes.exact_type(hint), shapes.compile_check(hint)


class Record(fields.FieldType):
    """One frozen dataclass of ``domain``, as JSON."""

    def __init__(self, kind: type) -> None:
        self.codec = RecordCodec(kind)

    def coerce(self, obj: Any, attr: str, value: Any) -> Any:
        return value if isinstance(value, self.codec.kind) else self.codec.decode(value)

    def to_primitive(self, obj: Any, attr: str, value: Any) -> Any:
        return self.codec.encode(value)

    def from_primitive(self, obj: Any, attr: str, value: Any) -> Any:
        return self.codec.decode(value)

    def __repr__(self) -> str:
        return f"Record({self.codec!r})"


class RecordsField(fields.AutoTypedField):
    """A list of frozen dataclasses of ``domain``; a JSON array on the wire."""

    def __init__(self, kind: type, **kwargs: Any) -> None:
        self._record = Record(kind)
        self.AUTO_TYPE = fields.List[Any](self._record)
        super().__init__(**kwargs)

    def __repr__(self) -> str:
        return f"[{self._record!r}]nullable={self.nullable}"

import inspect
import pickle
import re
from pathlib import Path

import pytest

from nls_sdk import errors
from nls_sdk.errors import DataError, NlsError, RunNotFound

FAMILY = [cls for _, cls in inspect.getmembers(errors, inspect.isclass) if issubclass(cls, NlsError)]


def test_the_docstring_draws_exactly_the_family() -> None:
    drawn = re.findall(r"^ +[│├└─ ]*([A-Z]\w+)", errors.__doc__ or "", flags=re.M)
    assert sorted(drawn) == sorted(cls.__name__ for cls in FAMILY)


@pytest.mark.parametrize("cls", [cls for cls in FAMILY if cls is not RunNotFound])
def test_errors_survive_pickling(cls: type[NlsError]) -> None:
    error = cls("it broke", hint="mend it")
    back = pickle.loads(pickle.dumps(error))
    assert type(back) is cls
    assert (str(back), back.message, back.hint) == (str(error), error.message, error.hint)


def test_an_error_with_its_own_arguments_survives_pickling() -> None:
    back = pickle.loads(pickle.dumps(RunNotFound("first.trian", ["first.train", "other.merge"])))
    assert "first.trian" in str(back)
    assert "first.train" in back.hint
    assert "other.merge" not in back.hint


def test_a_data_error_names_its_place() -> None:
    error = DataError("not JSON", path=Path("a.jsonl"), line=3, column=7, hint="fix it")
    assert str(error) == "a.jsonl:3:7: not JSON\nfix it"
    assert str(DataError("empty", path=Path("a.jsonl"))) == "a.jsonl: empty"


def test_only_absence_is_worth_a_retry() -> None:
    assert {cls.__name__ for cls in FAMILY if cls.retryable} == {"ProviderUnavailable", "EndpointUnavailable"}

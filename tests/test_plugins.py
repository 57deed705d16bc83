"""Plugins: one that is really installed, and others that cannot be used and hurt nobody else."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from nls_sdk import baseline, provider
from nls_sdk.errors import ConfigError, PluginBroken, PluginCollision, PluginIncompatible, PluginNotFound
from nls_sdk.plugins import PluginInfo, installed
from nls_sdk.testing import BaselineContract
from nls_sdk.translator import Translator

Install = Callable[..., None]


@pytest.fixture(scope="session", autouse=True)
def toy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The third party's package; `make` installs it, and where it was not, pip does it here."""
    if find_spec("nls_sdk_toy"):
        yield
        return
    folder = tmp_path_factory.mktemp("site-packages")
    package = Path(__file__).with_name("plugin_package")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(folder)]
    subprocess.run([*pip, str(package)], check=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        yield


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Put a distribution on the path: its name and version, what it registers, and its module."""
    known = set(sys.modules)

    def put(
        name: str, module: str, *, role: str = "providers", plugin: str = "odd", folder: str = ""
    ) -> None:
        site = tmp_path / (folder or name)
        info = site / f"{name.replace('-', '_')}-0.5.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 0.5\n")
        code = f"{name.replace('-', '_')}_code"
        (info / "entry_points.txt").write_text(f"[nls_sdk.{role}]\n{plugin} = {code}:Plugin\n")
        (site / f"{code}.py").write_text(module)
        monkeypatch.syspath_prepend(site)

    yield put
    for name in set(sys.modules) - known:
        if name.endswith("_code"):
            del sys.modules[name]


FAKE = "from nls_sdk.testing import FakeProvider\n"


def working(version: object = 1) -> str:
    head = f"{FAKE}class Plugin(FakeProvider):\n    api_version = {version}\n    name = 'odd'\n"
    return head + "    def __init__(self): super().__init__()\n"


BASELINE = "class Plugin:\n    api_version = {version}\n    name = 'odd'\n"
BASELINE += "    def translate(self, q): return q\n"


def state(role: str, name: str) -> PluginInfo:
    return next(info for info in installed() if (info.role, info.name) == (role, name))


class TestToyBaseline(BaselineContract):
    @pytest.fixture
    def baseline(self) -> Translator:
        return baseline("toy")


def test_an_installed_plugin_is_made_with_its_options() -> None:
    assert provider("toy", api_key="k").name == "toy"
    assert baseline("toy", suffix="!").translate("async") == "async!"
    assert state("provider", "toy") == PluginInfo(
        "provider", "toy", "nls-sdk-toy 1.2.3", "nls_sdk_toy:ToyProvider"
    )


def test_listing_says_what_is_wrong_with_each_and_spares_the_others(install: Install) -> None:
    install("nls-sdk-odd", "import no_such_module")
    assert state("provider", "odd").problem.startswith(
        "The provider 'odd' of nls-sdk-odd 0.5 cannot be imported"
    )
    for role, name in (("provider", "toy"), ("provider", "local"), ("baseline", "toy")):
        assert state(role, name).problem == ""
    assert provider("toy").name == "toy"


@pytest.mark.parametrize(
    ("module", "says"),
    [
        ("import no_such_module", "No module named 'no_such_module'"),
        ("1 / 0", "ZeroDivisionError"),
        ("def Plugin(:", "SyntaxError"),
        ("class Plagin: ...", "AttributeError"),
        ("import sys; sys.exit(3)", "SystemExit: 3"),
    ],
)
def test_a_plugin_that_cannot_be_imported_names_its_distribution(
    install: Install, module: str, says: str
) -> None:
    install("nls-sdk-odd", module)
    with pytest.raises(PluginBroken) as caught:
        provider("odd")
    assert "nls-sdk-odd 0.5" in caught.value.message
    assert says in caught.value.message
    assert "nls-sdk-odd" in caught.value.hint


def test_a_plugin_that_cannot_be_made_names_its_distribution(install: Install) -> None:
    install("nls-sdk-odd", working() + "    def __init__(self): raise OSError('no network')\n")
    with pytest.raises(PluginBroken, match=r"nls-sdk-odd 0\.5 cannot be made: OSError: no network"):
        provider("odd")


def test_a_plugin_that_exits_is_listed_with_the_others(install: Install) -> None:
    install("nls-sdk-odd", "raise SystemExit('bye')")
    assert "SystemExit: bye" in state("provider", "odd").problem
    assert state("provider", "toy").problem == ""


def test_a_plugin_that_exits_when_it_is_made(install: Install) -> None:
    install("nls-sdk-odd", working() + "    def __init__(self): raise SystemExit(3)\n")
    with pytest.raises(PluginBroken, match=r"nls-sdk-odd 0\.5 cannot be made: SystemExit: 3"):
        provider("odd")


def test_ctrl_c_during_an_import_is_ctrl_c(install: Install) -> None:
    install("nls-sdk-odd", "raise KeyboardInterrupt")
    with pytest.raises(KeyboardInterrupt):
        provider("odd")


CLASS = "class {name}:\n    api_version = 1\n    name = 'odd'\n    def submit(self, task): ...\n"
FACTORY = CLASS.format(name="Made") + "def Plugin(): return Made()\nPlugin.api_version = 1\n"


@pytest.mark.parametrize("module", [CLASS.format(name="Plugin"), FACTORY], ids=["class", "function"])
def test_a_provider_that_lacks_methods_names_them(install: Install, module: str) -> None:
    install("nls-sdk-odd", module)
    with pytest.raises(PluginBroken) as caught:
        provider("odd")
    assert caught.value.message == (
        "The provider 'odd' of nls-sdk-odd 0.5 is no provider: "
        "it lacks check, push, pull, estimate, runs, events, cancel, api_key."
    )


def test_a_class_that_lacks_methods_is_listed_so(install: Install) -> None:
    install("nls-sdk-odd", CLASS.format(name="Plugin"))
    install("nls-sdk-other", CLASS.format(name="Plugin"), role="baselines")
    assert "it lacks check, push" in state("provider", "odd").problem
    assert state("baseline", "odd").problem.endswith("is no baseline: it lacks translate.")


def test_a_provider_goes_by_the_name_it_is_registered_under(install: Install) -> None:
    install("nls-sdk-odd", working(), plugin="misnamed")
    with pytest.raises(PluginBroken, match=r"'misnamed' of nls-sdk-odd 0\.5 calls itself 'odd'"):
        provider("misnamed")
    assert "calls itself 'odd'" in state("provider", "misnamed").problem


def test_a_provider_may_hand_its_methods_on(install: Install) -> None:
    module = f"{FAKE}class Plugin:\n    api_version = 1\n    name = 'odd'\n"
    module += "    def __init__(self): self.inner = FakeProvider()\n"
    install("nls-sdk-odd", module + "    def __getattr__(self, name): return getattr(self.inner, name)\n")
    assert provider("odd").runs() == []


def test_an_option_that_a_plugin_does_not_know_is_named() -> None:
    with pytest.raises(ConfigError, match=r"'toy' cannot take these options: .*'colour'") as caught:
        baseline("toy", colour="red")
    assert caught.value.hint == "Its options are suffix."
    with pytest.raises(ConfigError) as caught:
        provider("local", hom="x")
    assert caught.value.hint == "Its options are home, gpu, processes, worker."


def test_an_option_of_a_plugin_that_has_none(install: Install) -> None:
    install("nls-sdk-odd", working())
    with pytest.raises(ConfigError) as caught:
        provider("odd", colour="red")
    assert caught.value.hint == "It has no options."


def test_a_plugins_own_error_is_passed_on(install: Install) -> None:
    module = "from nls_sdk.errors import ConfigError\n" + working()
    install("nls-sdk-odd", module + "    def __init__(self): raise ConfigError('ODD_TOKEN is not set.')\n")
    with pytest.raises(ConfigError, match="ODD_TOKEN"):
        provider("odd")


def test_a_name_that_two_register_is_used_for_neither(install: Install) -> None:
    install("nls-sdk-odd", working())
    install("nls-sdk-other", working())
    with pytest.raises(PluginCollision) as caught:
        provider("odd")
    assert "nls-sdk-odd 0.5 and nls-sdk-other 0.5" in caught.value.message
    assert "Uninstall" in caught.value.hint
    states = [info for info in installed() if info.name == "odd"]
    assert [info.distribution for info in states] == ["nls-sdk-odd 0.5", "nls-sdk-other 0.5"]
    assert all("registered by" in info.problem for info in states)
    assert provider("toy").name == "toy"


def test_a_distribution_seen_twice_is_one(install: Install) -> None:
    install("nls-sdk-odd", working(), folder="here")
    install("nls-sdk-odd", working(), folder="there")
    assert provider("odd").name == "odd"


def test_the_same_name_in_both_roles_is_no_collision(install: Install) -> None:
    install("nls-sdk-odd", working())
    install("nls-sdk-other", BASELINE.format(version=1), role="baselines")
    assert provider("odd").name == baseline("odd").name == "odd"


@pytest.mark.parametrize(
    ("version", "says"), [(99, "is written for plugin API 99"), (None, "states no api_version")]
)
def test_a_plugin_for_another_api_is_refused(install: Install, version: object, says: str) -> None:
    install("nls-sdk-odd", BASELINE.format(version=version), role="baselines")
    with pytest.raises(PluginIncompatible, match=rf"nls-sdk-odd 0\.5 {says}; this nls-sdk has plugin API 1"):
        baseline("odd")
    assert "plugin API" in state("baseline", "odd").problem


def test_an_absent_plugin_is_told_with_what_there_is() -> None:
    with pytest.raises(PluginNotFound) as caught:
        provider("cluster")
    assert "'cluster'" in caught.value.message
    assert "(installed: local, modal, toy)" in caught.value.message
    assert "nls_sdk.providers" in caught.value.hint
    with pytest.raises(PluginNotFound) as caught:
        provider("loca")
    assert caught.value.hint == "Did you mean 'local'?"
